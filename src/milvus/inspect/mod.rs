//! What is inside a Milvus server.

mod one;
mod two;

use std::path::Path;

use super::{MilvusError, Options, v1, v2};
use crate::error::Result;
use crate::source::inspect::Inspection;

/// Inspects the server at `place`; `None` when that is no address of one: neither `http://…` nor
/// `https://…` nor `host:port`. Credentials may stand before the host (`http://user:password@…`)
/// or in the environment variable `MILVUS_TOKEN`.
pub async fn inspect(place: &str) -> Option<Result<Inspection>> {
    if !is_address(place) {
        return None;
    }
    let mut options = Options::new(place);
    options.token = std::env::var("MILVUS_TOKEN").ok().filter(|token| !token.is_empty());
    Some(look(options).await)
}

fn is_address(place: &str) -> bool {
    if place.starts_with("http://") || place.starts_with("https://") {
        return true;
    }
    let port = place.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    matches!(port, Some(Ok(_))) && !place.contains('/') && !Path::new(place).exists()
}

async fn look(options: Options) -> Result<Inspection> {
    match v2::Client::connect(options.clone()).await {
        Err(MilvusError::OtherGeneration { .. }) => {
            one::look(&v1::Client::connect(options).await?).await
        }
        client => two::look(&client?).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_paths() {
        for place in ["http://h:19530", "https://h:1", "localhost:19530", "10.0.0.1:19530"] {
            assert!(is_address(place), "{place}");
        }
        for place in ["a.h5", "dir/", "c:/data", "a:b", "./x:19530"] {
            assert!(!is_address(place), "{place}");
        }
    }
}
