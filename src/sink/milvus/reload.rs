//! What is loaded of a collection, so that as much of another one is loaded in its place.

use crate::error::Result;
use crate::milvus::v2::Client;

/// What was loaded of a collection.
pub(super) struct Reload {
    /// True for all of it.
    whole: bool,
    partitions: Vec<String>,
}

impl Reload {
    pub(super) async fn of(client: &Client, collection: &str) -> Result<Reload> {
        // Milvus Lite has loaded what is new, and a rename would hide whether the old one was.
        if client.version().is_lite() {
            return Ok(Reload { whole: true, partitions: Vec::new() });
        }
        let mut reload = Reload { whole: false, partitions: Vec::new() };
        if client.is_loaded(collection, &[]).await? {
            let all = client.partitions(collection).await?;
            for partition in &all {
                if client.is_loaded(collection, std::slice::from_ref(partition)).await? {
                    reload.partitions.push(partition.clone());
                }
            }
            reload.whole = reload.partitions.len() == all.len();
        }
        Ok(reload)
    }

    /// Loads the same of another collection, as far as it has it and is not loaded.
    pub(super) async fn load(&self, client: &Client, collection: &str) -> Result<()> {
        let mut partitions = client.partitions(collection).await?;
        partitions.retain(|partition| self.whole || self.partitions.contains(partition));
        let lite = client.version().is_lite();
        if partitions.is_empty() || !lite && client.indexes(collection).await?.is_empty() {
            return Ok(());
        }
        client.load_missing(collection, &partitions, self.whole).await?;
        Ok(())
    }
}
