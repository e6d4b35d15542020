//! Identifying collections.

use crate::location::CollectionLocation;
use crate::milvus::v2::Client;
use crate::milvus::v2::collection::Collection;

/// The database of a server that none is asked of.
const DEFAULT_DATABASE: &str = "default";

impl Client {
    /// Identifies a collection of this database, or one of its partitions. Asks the system for the
    /// server's addresses, and no server.
    pub async fn location(
        &self,
        collection: &Collection,
        partition: Option<&str>,
    ) -> CollectionLocation {
        let has_id = collection.id != 0 && collection.created != 0;
        CollectionLocation {
            server: self.addresses().await,
            database: self.database().unwrap_or(DEFAULT_DATABASE).to_owned(),
            collection: collection.name.clone(),
            server_id: has_id.then_some((collection.id, collection.created)),
            partition: partition.map(str::to_owned),
        }
    }
}
