//! Collections.

use prost::Message;

use crate::milvus::v2::proto::common::{ConsistencyLevel, KeyValuePair};
use crate::milvus::v2::proto::milvus::*;
use crate::milvus::v2::proto::schema::{CollectionSchema, FieldSchema};
use crate::milvus::v2::{Client, MilvusError, Result};

/// A collection as the server describes it.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Its own name, also when an alias was asked for.
    pub name: String,
    /// What its maker wrote about it.
    pub description: String,
    /// Its fields, without the hidden dynamic one.
    pub fields: Vec<FieldSchema>,
    /// True when rows may carry fields beyond the schema.
    pub dynamic: bool,
    /// Number of shards.
    pub shards: i32,
    /// Other names.
    pub aliases: Vec<String>,
}

impl Collection {
    /// What the server answered when `name` was asked for.
    pub(in crate::milvus) fn of(name: &str, answer: DescribeCollectionResponse) -> Result<Self> {
        let Some(schema) = answer.schema else {
            let words = "no schema".to_owned();
            return Err(MilvusError::Malformed { rpc: "DescribeCollection", words });
        };
        let own_name =
            [answer.collection_name, schema.name].into_iter().find(|name| !name.is_empty());
        Ok(Collection {
            name: own_name.unwrap_or_else(|| name.to_owned()),
            description: schema.description,
            fields: schema.fields.into_iter().filter(|field| !field.is_dynamic).collect(),
            dynamic: schema.enable_dynamic_field,
            shards: answer.shards_num,
            aliases: answer.aliases,
        })
    }

    /// The primary key.
    pub fn primary_key(&self) -> Option<&FieldSchema> {
        self.fields.iter().find(|field| field.is_primary_key)
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
    pub async fn create_collection(
        &self,
        name: &str,
        description: &str,
        fields: Vec<FieldSchema>,
    ) -> Result<()> {
        let schema = CollectionSchema {
            // 2.3.5 wants it equal to collection_name.
            name: name.to_owned(),
            description: description.to_owned(),
            fields,
            ..CollectionSchema::default()
        };
        let request = CreateCollectionRequest {
            db_name: self.db_name(),
            collection_name: name.to_owned(),
            schema: schema.encode_to_vec().into(),
            shards_num: 0,
            // What pymilvus creates by default.
            consistency_level: ConsistencyLevel::Bounded.into(),
        };
        self.call(request).await.map(drop)
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

    /// Names of all collections of the database, sorted.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn collections(&self) -> Result<Vec<String>> {
        let request = ShowCollectionsRequest { db_name: self.db_name() };
        let mut names = self.call(request).await?.collection_names;
        names.sort_unstable();
        Ok(names)
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
        let (rpc, stats) = match partition {
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
