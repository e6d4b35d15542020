//! Telling from outside whether the runs of other machines are at work: their marks are watched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{BEAT, Claim, MarkStore, Placed, held};
use crate::error::Result;

/// Marks that were watched for two beats and not renewed, by their targets.
pub(super) type Watched = BTreeMap<String, Placed>;

/// Watches the marks of which nothing else tells whether their runs are at work, all at the same time.
///
/// # Errors
/// [`Kind::Held`](crate::error::Kind::Held) when one of them was renewed, and when a target can't be
/// asked.
pub(super) async fn watch_all(
    stores: &BTreeMap<String, (Arc<dyn MarkStore>, Claim)>,
) -> Result<Watched> {
    let mut watched = Watched::new();
    for (target, (store, claim)) in stores {
        if let Some(top) = store.list().await?.pop().filter(|top| claim.has_to_watch(top)) {
            watched.insert(target.clone(), top);
        }
    }
    if watched.is_empty() {
        return Ok(watched);
    }
    let wait = BEAT * 2 + Duration::from_secs(2);
    tracing::info!(
        "Watching for {} s whether other runs renew their marks at {} of the targets",
        wait.as_secs(),
        watched.len()
    );
    tokio::time::sleep(wait).await;
    for (target, before) in &watched {
        let Some((store, _)) = stores.get(target) else { continue };
        if let Some(now) = store.list().await?.last().filter(|now| *now != before) {
            return Err(held(target, now));
        }
    }
    Ok(watched)
}
