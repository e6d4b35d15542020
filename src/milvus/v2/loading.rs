//! One change at a time to what is loaded of a collection.
//!
//! Milvus 2.3.5 lets several partitions of a collection be loaded or released at once, calls each of them loaded, and
//! may leave one out of its query node's list for good: every query of it is refused from then on (seen in a run that
//! loaded three partitions at once beside other work).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

/// Database and collection.
type Name = (String, String);

/// The collections of which something is being loaded or released.
#[derive(Debug, Default)]
pub(super) struct Loading(Mutex<HashMap<Name, Weak<tokio::sync::Mutex<()>>>>);

impl Loading {
    /// Waits until nobody else in this process changes what is loaded of the collection.
    pub(super) async fn alone(&self, database: String, collection: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, lock| lock.strong_count() > 0);
            let lock = all.entry((database, collection.to_owned())).or_default();
            lock.upgrade().unwrap_or_else(|| {
                let new = Arc::default();
                *lock = Arc::downgrade(&new);
                new
            })
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_change_at_a_time_to_each_collection() {
        let loading = Loading::default();
        let alone = |name: &'static str| {
            tokio::time::timeout(Duration::from_secs(1), loading.alone(String::new(), name))
        };
        let first = alone("a").await.unwrap();
        let other = alone("b").await.unwrap();
        alone("a").await.unwrap_err();
        drop(first);
        drop(alone("a").await.unwrap());
        drop(other);
        drop(alone("c").await.unwrap());
        assert_eq!(loading.0.lock().unwrap().len(), 1, "names that nobody holds are forgotten");
    }
}
