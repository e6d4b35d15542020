//! Collections.

use prost::Message;

use crate::milvus::v2::proto::common::{ConsistencyLevel, KeyValuePair};
use crate::milvus::v2::proto::milvus::*;
use crate::milvus::v2::proto::schema::{CollectionSchema, FieldSchema, FunctionSchema};
use crate::milvus::v2::{Client, MilvusError, Result};

/// How often a list is asked for again because a collection was dropped meanwhile.
const TRIES: u32 = 20;

/// A collection as the server describes it.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Its own name, also when an alias was asked for.
    pub name: String,
    /// The server's number for it, which a rename does not change; 0 on Milvus Lite.
    pub id: i64,
    /// Hybrid timestamp of its creation; 0 on Milvus Lite.
    pub created: u64,
    /// What its maker wrote about it.
    pub description: String,
    /// Its fields, without the hidden dynamic one.
    pub fields: Vec<FieldSchema>,
    /// True when rows may carry fields beyond the schema.
    pub dynamic: bool,
    /// Number of shards.
    pub shards: i32,
    /// Settings and notes, by key.
    pub properties: Vec<KeyValuePair>,
    /// How fresh searches are, unless they ask for something else: the server's number for it.
    pub consistency: i32,
    /// Number of partitions, which a collection with a partition key is divided into.
    pub partitions: i64,
    /// What the server computes from fields of a row.
    pub functions: Vec<FunctionSchema>,
    /// Fields that hold lists of structs.
    pub struct_fields: Vec<String>,
}

/// A collection that is to be made.
#[derive(Debug, Clone, Default)]
pub struct NewCollection {
    /// What it is for.
    pub description: String,
    /// Its fields, without the hidden dynamic one.
    pub fields: Vec<FieldSchema>,
    /// True when rows may carry fields beyond the schema.
    pub dynamic: bool,
    /// What the server computes from fields of a row.
    pub functions: Vec<FunctionSchema>,
    /// Number of shards; 0 for the server's default.
    pub shards: i32,
    /// Number of partitions, where a partition key divides it; 0 for the server's default.
    pub key_partitions: i64,
    /// How fresh searches are, unless they ask for something else.
    pub consistency: ConsistencyLevel,
    /// Settings, and notes of its maker.
    pub properties: Vec<KeyValuePair>,
}

impl Collection {
    /// What the server answered when `name` was asked for.
    pub(in crate::milvus) fn of(name: &str, answer: DescribeCollectionResponse) -> Result<Self> {
        let Some(schema) = answer.schema else {
            let words = "no schema".to_owned();
            return Err(MilvusError::Malformed { rpc: "DescribeCollection", words });
        };
        // 2.3.5 repeats as collection_name what it was asked for, be it an alias.
        let own_name =
            [schema.name, answer.collection_name].into_iter().find(|name| !name.is_empty());
        Ok(Collection {
            name: own_name.unwrap_or_else(|| name.to_owned()),
            id: answer.collection_id,
            created: answer.created_timestamp,
            description: schema.description,
            fields: schema.fields.into_iter().filter(|field| !field.is_dynamic).collect(),
            dynamic: schema.enable_dynamic_field,
            shards: answer.shards_num,
            properties: answer.properties,
            consistency: answer.consistency_level,
            partitions: answer.num_partitions,
            functions: schema.functions,
            struct_fields: schema.struct_array_fields.into_iter().map(|f| f.name).collect(),
        })
    }

    /// True when the server divides rows into partitions by a field's value.
    pub fn has_partition_key(&self) -> bool {
        self.fields.iter().any(|field| field.is_partition_key)
    }

    /// The primary key.
    pub fn primary_key(&self) -> Option<&FieldSchema> {
        self.fields.iter().find(|field| field.is_primary_key)
    }

    /// True when it is what a request to create it asked for.
    fn is_as_asked(&self, schema: &CollectionSchema, properties: &[KeyValuePair]) -> bool {
        let columns = |fields: &[FieldSchema]| -> Vec<_> {
            fields.iter().map(|field| (field.name.clone(), field.data_type)).collect()
        };
        // Not its description, which Milvus Lite forgets.
        self.name == schema.name
            && columns(&self.fields) == columns(&schema.fields)
            && properties.iter().all(|pair| self.property(&pair.key) == Some(&pair.value))
    }

    /// A setting or note.
    pub fn property(&self, key: &str) -> Option<&str> {
        let pair = self.properties.iter().find(|pair| pair.key == key);
        pair.map(|pair| pair.value.as_str())
    }
}

impl Client {
    /// The collection's description, or `None` when there is no such collection.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn describe_collection(&self, name: &str) -> Result<Option<Collection>> {
        let request =
            DescribeCollectionRequest { db_name: self.db_name(), collection_name: name.to_owned() };
        match self.call(request).await {
            Ok(answer) => Collection::of(name, answer).map(Some),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a collection.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_collection(&self, name: &str, new: NewCollection) -> Result<()> {
        let schema = CollectionSchema {
            // 2.3.5 wants it equal to collection_name.
            name: name.to_owned(),
            description: new.description,
            auto_id: new.fields.iter().any(|field| field.auto_id),
            fields: new.fields,
            enable_dynamic_field: new.dynamic,
            functions: new.functions,
            ..CollectionSchema::default()
        };
        let request = CreateCollectionRequest {
            db_name: self.db_name(),
            collection_name: name.to_owned(),
            schema: schema.encode_to_vec().into(),
            shards_num: new.shards,
            consistency_level: new.consistency.into(),
            properties: new.properties.clone(),
            num_partitions: new.key_partitions,
        };
        match self.call(request).await {
            // It was carried out by a request whose answer was lost: Milvus Lite refuses the second.
            Err(MilvusError::Refused { .. })
                if self
                    .describe_collection(name)
                    .await?
                    .is_some_and(|made| made.is_as_asked(&schema, &new.properties)) =>
            {
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }

    /// Drops a collection. Dropping a missing one succeeds.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop_collection(&self, name: &str) -> Result<()> {
        let request =
            DropCollectionRequest { db_name: self.db_name(), collection_name: name.to_owned() };
        self.call(request).await.map(drop)
    }

    /// Sets properties of a collection; others stay as they are.
    ///
    /// # Errors
    /// When the server refuses, and on Milvus Lite 2.x, which does not know the call.
    pub async fn alter_collection(&self, name: &str, properties: Vec<KeyValuePair>) -> Result<()> {
        let (db_name, collection_name) = (self.db_name(), name.to_owned());
        self.call(AlterCollectionRequest { db_name, collection_name, properties }).await.map(drop)
    }

    /// Gives a collection another name, which must be free. Its aliases, indexes and rows stay as
    /// they are. True when a request got no answer, and may be carried out later.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn rename_collection(&self, from: &str, to: &str) -> Result<bool> {
        let request = RenameCollectionRequest {
            db_name: self.db_name(),
            old_name: from.to_owned(),
            new_name: to.to_owned(),
        };
        let (outcome, lost) = self.call_telling(request).await;
        match outcome {
            // It was carried out by a request whose answer was lost.
            Err(MilvusError::Refused { .. })
                if self.describe_collection(from).await?.is_none()
                    && self.describe_collection(to).await?.is_some() =>
            {
                Ok(true)
            }
            outcome => outcome.map(|_| lost),
        }
    }

    /// Milvus Lite looks at each collection that it lists, and refuses the list when one is dropped
    /// meanwhile (measured on 3.2.2).
    fn is_dropped_meanwhile(&self, error: &MilvusError) -> bool {
        let MilvusError::Refused { reason, .. } = error else { return false };
        let dropped = reason.starts_with("collection ") && reason.ends_with("does not exist");
        self.version().is_lite() && dropped
    }

    /// Names of all collections of the database, sorted.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn collections(&self) -> Result<Vec<String>> {
        let mut tries = 0;
        loop {
            let request = ShowCollectionsRequest { db_name: self.db_name() };
            match self.call(request).await {
                Err(error) if self.is_dropped_meanwhile(&error) && tries < TRIES => tries += 1,
                answer => {
                    let mut names = answer?.collection_names;
                    names.sort_unstable();
                    return Ok(names);
                }
            }
        }
    }

    /// The server's row count: of all partitions, or of one.
    ///
    /// A Milvus counts flushed rows only, deleted and replaced ones included; Milvus Lite counts
    /// exactly.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn row_count(&self, collection: &str, partition: Option<&str>) -> Result<u64> {
        let (db_name, collection_name) = (self.db_name(), collection.to_owned());
        // Milvus Lite 2.x has one partition, and no statistics of it.
        let (rpc, stats) = match partition.filter(|_| !self.version().is_early_lite()) {
            None => {
                let request = GetCollectionStatisticsRequest { db_name, collection_name };
                ("GetCollectionStatistics", self.call(request).await?.stats)
            }
            Some(partition) => {
                let partition_name = partition.to_owned();
                let request =
                    GetPartitionStatisticsRequest { db_name, collection_name, partition_name };
                ("GetPartitionStatistics", self.call(request).await?.stats)
            }
        };
        row_count_of(&stats)
            .ok_or_else(|| MilvusError::Malformed { rpc, words: "no row count".to_owned() })
    }
}

pub(in crate::milvus) fn row_count_of(stats: &[KeyValuePair]) -> Option<u64> {
    stats.iter().find(|pair| pair.key == "row_count").and_then(|pair| pair.value.parse().ok())
}
