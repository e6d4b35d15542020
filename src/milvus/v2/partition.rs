//! Partitions.

use crate::milvus::DEFAULT_PARTITION;
use crate::milvus::v2::proto::milvus::*;
use crate::milvus::v2::{Client, MilvusError, Result};

impl Client {
    /// Names of all partitions of a collection.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn partitions(&self, collection: &str) -> Result<Vec<String>> {
        if self.version().is_early_lite() {
            return Ok(vec![DEFAULT_PARTITION.to_owned()]);
        }
        let request = ShowPartitionsRequest {
            db_name: self.db_name(),
            collection_name: collection.to_owned(),
        };
        Ok(self.call(request).await?.partition_names)
    }

    /// Creates a partition, if it does not exist. In a loaded collection it is loaded, too.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_partition(&self, collection: &str, partition: &str) -> Result<()> {
        let request = CreatePartitionRequest {
            db_name: self.db_name(),
            collection_name: collection.to_owned(),
            partition_name: partition.to_owned(),
        };
        match self.call(request).await {
            // It was carried out by a request whose answer was lost.
            Err(MilvusError::Refused { .. })
                if self.partitions(collection).await?.iter().any(|known| known == partition) =>
            {
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }

    /// Drops a partition, if it exists. It must not be loaded (Milvus Lite does not mind).
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop_partition(&self, collection: &str, partition: &str) -> Result<()> {
        let request = DropPartitionRequest {
            db_name: self.db_name(),
            collection_name: collection.to_owned(),
            partition_name: partition.to_owned(),
        };
        match self.call(request).await {
            Err(MilvusError::Refused { .. })
                if !self.partitions(collection).await?.iter().any(|known| known == partition) =>
            {
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }
}
