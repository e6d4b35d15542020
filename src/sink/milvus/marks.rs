//! Marks of collections: a small collection `<name>_vecpipe_mark_<n>` beside each target, which a
//! server creates only once (measured on 2.3.5, Milvus Lite 3.2.2 and 2.5.1: of four clients that
//! create it with different definitions at once, one wins).
//!
//! What the mark says stands in a property, and in the description for Milvus Lite 2.5.1, which keeps
//! no properties (3.2.2 keeps no descriptions). It is renewed by another property; a server that can't
//! change properties gets a collection for each beat instead.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::milvus::names::{MARK_PROPERTY as MARK, numbers_of_marks, of_beat, of_mark};
use crate::milvus::v2::collection::{Collection, NewCollection};
use crate::milvus::v2::field::pair;
use crate::milvus::v2::proto::schema::{DataType, FieldSchema};
use crate::milvus::v2::{Client, MilvusError};
use crate::ownership::{Beat, Created, Mark, MarkStore, Placed};

const BEAT: &str = "vecpipe.beat";

/// The marks of one collection.
pub(super) struct CollectionMarks {
    pub client: Client,
    /// The database, where it is not the server's default: it is created when it is missing.
    pub database: Option<String>,
    pub collection: String,
    /// Databases that were created for a mark.
    pub made: MadeDatabases,
}

/// Databases that this run has created.
#[derive(Debug, Clone, Default)]
pub(super) struct MadeDatabases(Arc<Mutex<BTreeSet<String>>>);

impl MadeDatabases {
    fn add(&self, database: &str) {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert(database.to_owned());
    }

    /// True for one of them.
    pub(super) fn contains(&self, database: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(database)
    }
}

impl CollectionMarks {
    async fn placed(&self, number: u32) -> Result<Option<Placed>> {
        let name = of_mark(&self.collection, number);
        let Some(found) = self.client.describe_collection(&name).await? else { return Ok(None) };
        let mut beat = found.property(BEAT).and_then(|text| serde_json::from_str(text).ok());
        if beat.is_none() && !self.client.version().keeps_properties() {
            for count in 0..2 {
                let name = of_beat(&self.collection, number, count);
                let other = self.client.describe_collection(&name).await?;
                let other = other.and_then(|other| serde_json::from_str(&other.description).ok());
                beat = beat.max_by_count(other);
            }
        }
        // One that says nothing holds all the same.
        Ok(Some(Placed { number, mark: mark_of(&found).unwrap_or_default(), beat }))
    }

    async fn create_database(&self, database: &str) -> Result<()> {
        if !self.client.has_database(database).await? {
            self.client.create_database(database).await?;
            self.made.add(database);
        }
        Ok(())
    }

    /// A collection that holds nothing but this text.
    async fn create_note(&self, name: &str, text: String) -> Result<(), MilvusError> {
        let id = FieldSchema {
            name: "id".to_owned(),
            data_type: DataType::Int64.into(),
            is_primary_key: true,
            ..FieldSchema::default()
        };
        let vector = FieldSchema {
            name: "vector".to_owned(),
            data_type: DataType::FloatVector.into(),
            type_params: vec![pair("dim", "2")],
            ..FieldSchema::default()
        };
        let new = NewCollection {
            description: text.clone(),
            fields: vec![id, vector],
            shards: 1,
            properties: vec![pair(MARK, text)],
            ..NewCollection::default()
        };
        self.client.create_collection(name, new).await
    }
}

fn mark_of(collection: &Collection) -> Option<Mark> {
    let texts = [collection.property(MARK), Some(collection.description.as_str())];
    texts.into_iter().flatten().find_map(|text| serde_json::from_str(text).ok())
}

trait MaxByCount {
    fn max_by_count(self, other: Option<Beat>) -> Option<Beat>;
}

impl MaxByCount for Option<Beat> {
    fn max_by_count(self, other: Option<Beat>) -> Option<Beat> {
        self.into_iter().chain(other).max_by_key(|beat| beat.count)
    }
}

#[async_trait]
impl MarkStore for CollectionMarks {
    fn target(&self) -> String {
        match &self.database {
            Some(database) => format!("database {database}, collection {}", self.collection),
            None => format!("collection {}", self.collection),
        }
    }

    async fn list(&self) -> Result<Vec<Placed>> {
        if let Some(database) = &self.database
            && !self.client.has_database(database).await?
        {
            return Ok(Vec::new());
        }
        let names = self.client.collections().await?;
        let mut all = Vec::new();
        for number in numbers_of_marks(&self.collection, &names) {
            all.extend(self.placed(number).await?);
        }
        Ok(all)
    }

    async fn create(&self, number: u32, mark: &Mark) -> Result<Created> {
        if let Some(database) = &self.database {
            self.create_database(database).await?;
        }
        let text = serde_json::to_string(mark)
            .map_err(|error| Error::internal("A mark does not serialise").because(error))?;
        let name = of_mark(&self.collection, number);
        let refused = match self.create_note(&name, text).await {
            Ok(()) => return Ok(Created::Yes),
            Err(MilvusError::Denied { words, .. }) => return Ok(Created::Denied(words)),
            Err(error) => error,
        };
        match self.client.describe_collection(&name).await? {
            // An answer was lost, or the server forgets what it would be recognised by.
            Some(there) if mark_of(&there).as_ref() == Some(mark) => Ok(Created::Yes),
            Some(_) => Ok(Created::No),
            // No room for one more, say: that is no reason not to move rows.
            None => match refused {
                MilvusError::Refused { reason, .. } => Ok(Created::Denied(reason)),
                error => Err(error.into()),
            },
        }
    }

    async fn beat(&self, number: u32, beat: &Beat) -> Result<()> {
        let text = serde_json::to_string(beat)
            .map_err(|error| Error::internal("A beat does not serialise").because(error))?;
        if self.client.version().keeps_properties() {
            let properties = vec![pair(BEAT, text)];
            return Ok(self
                .client
                .alter_collection(&of_mark(&self.collection, number), properties)
                .await?);
        }
        let [this, other] =
            [0, 1].map(|n| of_beat(&self.collection, number, beat.count.wrapping_add(n)));
        self.client.drop_collection(&this).await?;
        self.create_note(&this, text).await?;
        Ok(self.client.drop_collection(&other).await?)
    }

    async fn remove(&self, number: u32) -> Result<()> {
        if !self.client.version().keeps_properties() {
            for count in 0..2 {
                self.client.drop_collection(&of_beat(&self.collection, number, count)).await?;
            }
        }
        Ok(self.client.drop_collection(&of_mark(&self.collection, number)).await?)
    }
}
