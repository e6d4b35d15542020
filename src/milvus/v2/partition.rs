//! Partitions.

use crate::milvus::v2::proto::milvus::*;
use crate::milvus::v2::{Client, Result};

impl Client {
    /// Names of all partitions of a collection.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn partitions(&self, collection: &str) -> Result<Vec<String>> {
        let request = ShowPartitionsRequest {
            db_name: self.db_name(),
            collection_name: collection.to_owned(),
        };
        Ok(self.call(request).await?.partition_names)
    }

    /// Creates a partition. In a loaded collection it is loaded, too.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_partition(&self, collection: &str, partition: &str) -> Result<()> {
        let request = CreatePartitionRequest {
            db_name: self.db_name(),
            collection_name: collection.to_owned(),
            partition_name: partition.to_owned(),
        };
        self.call(request).await.map(drop)
    }

    /// Drops a partition, which must not be loaded (Milvus Lite does not mind).
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop_partition(&self, collection: &str, partition: &str) -> Result<()> {
        let request = DropPartitionRequest {
            db_name: self.db_name(),
            collection_name: collection.to_owned(),
            partition_name: partition.to_owned(),
        };
        self.call(request).await.map(drop)
    }
}
