//! Identifying collections.

use crate::location::CollectionLocation;
use crate::milvus::names::{MARK_PROPERTY, numbers_of_marks, of_mark};
use crate::milvus::v2::collection::Collection;
use crate::milvus::v2::{Client, Result};

/// The database of a server that none is asked of.
const DEFAULT_DATABASE: &str = "default";

impl Client {
    /// Identifies a collection of this database, or one of its partitions. Asks the system for the
    /// server's addresses; and, where the server gives no ids, the server for the mark of a run that
    /// has the collection as its target.
    ///
    /// # Errors
    /// When the server can't be asked for that.
    pub async fn location(
        &self,
        collection: &Collection,
        partition: Option<&str>,
    ) -> Result<CollectionLocation> {
        let has_id = collection.id != 0 && collection.created != 0;
        let mark = if has_id { None } else { self.mark_of(&collection.name).await? };
        Ok(CollectionLocation {
            server: self.addresses().await,
            database: self.database().unwrap_or(DEFAULT_DATABASE).to_owned(),
            collection: collection.name.clone(),
            server_id: has_id.then_some((collection.id, collection.created)),
            mark,
            partition: partition.map(str::to_owned),
        })
    }

    /// What the newest mark beside a collection says, which no two marks have in common.
    async fn mark_of(&self, collection: &str) -> Result<Option<String>> {
        let numbers = numbers_of_marks(collection, &self.collections().await?);
        let Some(newest) = numbers.last() else { return Ok(None) };
        let found = self.describe_collection(&of_mark(collection, *newest)).await?;
        let Some(found) = found else { return Ok(None) };
        let text = found.property(MARK_PROPERTY).unwrap_or(&found.description);
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    }
}
