//! What was loaded only to be asked, and is released again however the run ends.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;
use crate::milvus::v2::Client;
use crate::milvus::v2::load::Loaded;

/// The collections and partitions that this sink has loaded. Cloning shares the list.
#[derive(Debug, Clone, Default)]
pub(super) struct Loads(Arc<Mutex<Vec<(String, Loaded)>>>);

impl Loads {
    /// Remembers what was loaded.
    pub(super) fn note(&self, collection: &str, loaded: &Loaded) {
        if *loaded != Loaded::Nothing {
            self.list().push((collection.to_owned(), loaded.clone()));
        }
    }

    /// Releases it, and forgets it.
    pub(super) async fn release(
        &self,
        client: &Client,
        collection: &str,
        loaded: Loaded,
    ) -> Result<()> {
        self.list().retain(|(of, what)| of != collection || *what != loaded);
        Ok(client.release(collection, loaded).await?)
    }

    /// Releases all that was loaded of a collection, and forgets it.
    pub(super) async fn release_of(&self, client: &Client, collection: &str) -> Result<()> {
        let of: Vec<_> = self.list().extract_if(.., |(of, _)| of == collection).collect();
        for (collection, loaded) in of {
            client.release(&collection, loaded).await?;
        }
        Ok(())
    }

    /// Releases all that is left; says what could not be released, and goes on.
    pub(super) async fn release_all(&self, client: &Client) {
        let left = std::mem::take(&mut *self.list());
        for (collection, loaded) in left {
            if let Err(error) = client.release(&collection, loaded).await {
                tracing::warn!(%collection, "Still loaded, only to look up ids: {error}");
            }
        }
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<(String, Loaded)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
