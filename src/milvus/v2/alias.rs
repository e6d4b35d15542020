//! Aliases: further names of collections.

use crate::milvus::v2::proto::milvus::*;
use crate::milvus::v2::{Client, Result};

impl Client {
    /// The aliases of a collection.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn aliases(&self, collection: &str) -> Result<Vec<String>> {
        let request =
            ListAliasesRequest { db_name: self.db_name(), collection_name: collection.to_owned() };
        match self.call(request).await {
            Ok(answer) => Ok(answer.aliases),
            // Milvus Lite 2.x has no aliases.
            Err(error) if error.is_unknown_call() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Gives a collection one more name.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_alias(&self, alias: &str, collection: &str) -> Result<()> {
        let request = CreateAliasRequest {
            db_name: self.db_name(),
            collection_name: collection.to_owned(),
            alias: alias.to_owned(),
        };
        self.call(request).await.map(drop)
    }

    /// Makes an alias that exists one of another collection, at once.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn alter_alias(&self, alias: &str, collection: &str) -> Result<()> {
        let request = AlterAliasRequest {
            db_name: self.db_name(),
            collection_name: collection.to_owned(),
            alias: alias.to_owned(),
        };
        self.call(request).await.map(drop)
    }
}
