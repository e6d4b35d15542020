//! One change at a time to what is loaded of a collection, and none while it is queried.
//!
//! Milvus 2.3.5 lets several partitions of a collection be loaded or released at once, calls each of them loaded, and
//! may leave one out of its query node's list for good: every query of it is refused from then on (seen in a run that
//! loaded three partitions at once beside other work). While one is loaded or released, queries of another one that was
//! loaded long before may miss rows (57 of 497 were counted).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Database and collection.
type Name = (String, String);

/// The collections of which something is being loaded, released or queried.
#[derive(Debug, Default)]
pub(super) struct Loading(Mutex<HashMap<Name, Weak<RwLock<()>>>>);

impl Loading {
    /// Waits until nobody else in this process changes what is loaded of the collection, or queries it.
    pub(super) async fn alone(
        &self,
        database: String,
        collection: &str,
    ) -> OwnedRwLockWriteGuard<()> {
        self.lock(database, collection).write_owned().await
    }

    /// Waits until nobody in this process changes what is loaded of the collection.
    pub(super) async fn resting(
        &self,
        database: String,
        collection: &str,
    ) -> OwnedRwLockReadGuard<()> {
        self.lock(database, collection).read_owned().await
    }

    fn lock(&self, database: String, collection: &str) -> Arc<RwLock<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, lock| lock.strong_count() > 0);
        let lock = all.entry((database, collection.to_owned())).or_default();
        lock.upgrade().unwrap_or_else(|| {
            let new = Arc::default();
            *lock = Arc::downgrade(&new);
            new
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_change_at_a_time_to_each_collection_and_none_beside_queries() {
        let loading = Loading::default();
        let alone = |name: &'static str| {
            tokio::time::timeout(Duration::from_secs(1), loading.alone(String::new(), name))
        };
        let first = alone("a").await.unwrap();
        let other = alone("b").await.unwrap();
        let resting = || loading.resting(String::new(), "a");
        alone("a").await.unwrap_err();
        tokio::time::timeout(Duration::from_secs(1), resting()).await.unwrap_err();
        drop(first);
        let queries = [resting().await, resting().await];
        alone("a").await.unwrap_err();
        drop(queries);
        drop(alone("a").await.unwrap());
        drop(other);
        drop(alone("c").await.unwrap());
        assert_eq!(loading.0.lock().unwrap().len(), 1, "names that nobody holds are forgotten");
    }
}
