//! What the Parquet writer says, in words that help.

use parquet::errors::ParquetError;
use std::io;

use crate::error::Error;
use crate::store::{Place, io_error};

/// An error of the Parquet writer, which wraps that of the file system or the store.
pub fn parquet_error(doing: &str, place: &Place, error: ParquetError) -> Error {
    let other = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::target(format!("Cannot {doing}")).because(error).at(place)
    };
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => match (error.downcast::<Error>(), place) {
                // A store's own words.
                (Ok(error), _) => error,
                (Err(error), Place::Local(path)) => io_error(doing, path, error),
                (Err(error), Place::Remote(_)) => other(error.into()),
            },
            Err(inner) => other(inner),
        },
        error => other(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_file_system_keeps_its_help() {
        let full = io::Error::from_raw_os_error(libc::ENOSPC);
        let error =
            parquet_error("write the part", &Place::Local("/out/a.parquet".into()), full.into());
        assert!(error.to_string().contains("help: free some space"), "{error}");
    }
}
