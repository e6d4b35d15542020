//! Databases: which there are, and making one.

use crate::milvus::Result;
use crate::milvus::v2::Client;
use crate::milvus::v2::proto::milvus::{CreateDatabaseRequest, ListDatabasesRequest};

impl Client {
    /// Names of the server's databases, sorted.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn databases(&self) -> Result<Vec<String>> {
        let mut names = match self.call(ListDatabasesRequest {}).await {
            Ok(answer) => answer.db_names,
            // Milvus Lite 2.x has one, and so had a Milvus before 2.2.9.
            Err(error) if error.is_unknown_call() => vec!["default".to_owned()],
            Err(error) => return Err(error),
        };
        names.sort();
        Ok(names)
    }

    /// Makes a database, unless it is there.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_database(&self, name: &str) -> Result<()> {
        if self.has_database(name).await? {
            return Ok(());
        }
        match self.call(CreateDatabaseRequest { db_name: name.to_owned() }).await {
            // Somebody was faster, or an answer was lost.
            Err(_) if self.has_database(name).await? => Ok(()),
            done => done.map(drop),
        }
    }

    /// True when the server has a database of this name.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn has_database(&self, name: &str) -> Result<bool> {
        Ok(self.databases().await?.iter().any(|there| there == name))
    }
}
