//! Identifying collections.

use crate::location::CollectionLocation;
use crate::milvus::mark_name::{MARK, MARK_PROPERTY};
use crate::milvus::v2::Client;
use crate::milvus::v2::collection::Collection;

/// The database of a server that none is asked of.
const DEFAULT_DATABASE: &str = "default";

impl Client {
    /// Identifies a collection of this database, or one of its partitions. Asks the system for the
    /// server's addresses; and, where the server gives no ids, the server for the mark of a run that
    /// has the collection as its target.
    pub async fn location(
        &self,
        collection: &Collection,
        partition: Option<&str>,
    ) -> CollectionLocation {
        let has_id = collection.id != 0 && collection.created != 0;
        let mark = if has_id { None } else { self.mark_of(&collection.name).await };
        CollectionLocation {
            server: self.addresses().await,
            database: self.database().unwrap_or(DEFAULT_DATABASE).to_owned(),
            collection: collection.name.clone(),
            server_id: has_id.then_some((collection.id, collection.created)),
            mark,
            partition: partition.map(str::to_owned),
        }
    }

    /// What the newest mark beside a collection says, which no two marks have in common.
    async fn mark_of(&self, collection: &str) -> Option<String> {
        let names = self.collections().await.ok()?;
        let number = |name: &String| {
            let number = name.strip_prefix(collection)?.strip_prefix(MARK)?;
            number.parse::<u32>().ok()
        };
        let name = names.into_iter().filter(|name| number(name).is_some()).max_by_key(number)?;
        let found = self.describe_collection(&name).await.ok()??;
        let text = found.property(MARK_PROPERTY).unwrap_or(&found.description);
        Some(text.to_owned()).filter(|text| !text.is_empty())
    }
}
