//! Collections and partitions.

use serde::Deserialize;

use super::Client;
use super::proto::*;
use crate::milvus::{MilvusError, Result};

/// A collection as the server describes it, or is to make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// Dimensions; bits of binary vectors.
    pub dim: i64,
    /// Size of a segment from which on it is indexed, in MiB.
    pub index_file_size: i64,
    /// [`Metric::milvus1_number`](crate::table::Metric::milvus1_number).
    pub metric: i32,
}

const SHOW_INFO: &str = "ShowCollectionInfo";

/// What `ShowCollectionInfo` says.
#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    partitions: Vec<PartitionInfo>,
}

#[derive(Deserialize)]
struct PartitionInfo {
    tag: String,
    row_count: u64,
    /// Null where there are none.
    #[serde(default)]
    segments: Option<Vec<SegmentInfo>>,
}

#[derive(Deserialize)]
struct SegmentInfo {
    name: String,
}

impl Info {
    fn read(text: &str) -> Result<Info, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// Rows of a partition; what is wrong with the answer otherwise.
    fn rows_of(&self, tag: &str) -> Result<u64, String> {
        let found = self.partitions.iter().find(|partition| partition.tag == tag);
        let rows = found.map(|partition| partition.row_count);
        rows.ok_or_else(|| format!("nothing about the partition `{tag}`"))
    }
}

/// Rows of the partition `tag`, from the text that `ShowCollectionInfo` answers.
pub(in crate::milvus) fn rows_of_partition(text: &str, tag: &str) -> Result<u64, String> {
    Info::read(text)?.rows_of(tag)
}

fn named(collection: &str) -> CollectionName {
    CollectionName { collection_name: collection.to_owned() }
}

fn partition_of(collection: &str, tag: &str) -> PartitionParam {
    PartitionParam { collection_name: collection.to_owned(), tag: tag.to_owned() }
}

impl Client {
    /// The collection's description, or `None` when there is no such collection.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn describe_collection(&self, name: &str) -> Result<Option<Collection>> {
        let answer: CollectionSchema = match self.call("DescribeCollection", named(name)).await {
            Err(error) if error.is_missing() => return Ok(None),
            answer => answer?,
        };
        Ok(Some(Collection {
            name: answer.collection_name,
            dim: answer.dimension,
            index_file_size: answer.index_file_size,
            metric: answer.metric_type,
        }))
    }

    /// Creates a collection. Waits while one of that name is still being dropped.
    ///
    /// # Errors
    /// When the server refuses, for example because there is one of that name.
    pub async fn create_collection(&self, collection: &Collection) -> Result<()> {
        let request = CollectionSchema {
            status: None,
            collection_name: collection.name.clone(),
            dimension: collection.dim,
            index_file_size: collection.index_file_size,
            metric_type: collection.metric,
        };
        match self.call::<Status>("CreateCollection", request).await {
            // An answer may have been lost, and the call repeated.
            Err(MilvusError::Refused { .. })
                if self.describe_collection(&collection.name).await?.as_ref()
                    == Some(collection) =>
            {
                Ok(())
            }
            answer => answer.map(drop),
        }
    }

    /// Drops a collection, if it exists.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop_collection(&self, name: &str) -> Result<()> {
        match self.call::<Status>("DropCollection", named(name)).await {
            Err(error) if error.is_missing() => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Names of all collections.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn collections(&self) -> Result<Vec<String>> {
        let answer: CollectionNameList = self.call("ShowCollections", Command::default()).await?;
        Ok(answer.collection_names)
    }

    /// Tags of all partitions of a collection, the default one among them.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn partitions(&self, collection: &str) -> Result<Vec<String>> {
        let answer: PartitionList = self.call("ShowPartitions", named(collection)).await?;
        Ok(answer.partition_tag_array)
    }

    /// Creates a partition, if it does not exist.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_partition(&self, collection: &str, tag: &str) -> Result<()> {
        let created: Result<Status> =
            self.call("CreatePartition", partition_of(collection, tag)).await;
        match created {
            Err(MilvusError::Refused { .. })
                if self.partitions(collection).await?.iter().any(|known| known == tag) =>
            {
                Ok(())
            }
            answer => answer.map(drop),
        }
    }

    /// Drops a partition and its rows.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop_partition(&self, collection: &str, tag: &str) -> Result<()> {
        let dropped: Result<Status> =
            self.call("DropPartition", partition_of(collection, tag)).await;
        match dropped {
            Err(MilvusError::Refused { .. })
                if !self.partitions(collection).await?.iter().any(|known| known == tag) =>
            {
                Ok(())
            }
            answer => answer.map(drop),
        }
    }

    /// Rows of a collection, or of one of its partitions, that were flushed.
    ///
    /// # Errors
    /// When the server can't be asked, or has no such collection or partition.
    pub async fn count(&self, collection: &str, partition: Option<&str>) -> Result<u64> {
        let Some(tag) = partition else {
            let rpc = "CountCollection";
            let answer: CollectionRowCount = self.call(rpc, named(collection)).await?;
            return u64::try_from(answer.collection_row_count).map_err(|_| {
                let words = format!("{} rows", answer.collection_row_count);
                MilvusError::Malformed { rpc, words }
            });
        };
        let rows = self.info(collection).await?.rows_of(tag);
        rows.map_err(|words| MilvusError::Malformed { rpc: SHOW_INFO, words })
    }

    /// Names of the segments of a collection, or of one of its partitions.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn segments(&self, collection: &str, partition: Option<&str>) -> Result<Vec<String>> {
        let partitions = self.info(collection).await?.partitions.into_iter();
        let segments = partitions
            .filter(|found| partition.is_none_or(|tag| found.tag == tag))
            .flat_map(|found| found.segments.unwrap_or_default());
        Ok(segments.map(|segment| segment.name).collect())
    }

    async fn info(&self, collection: &str) -> Result<Info> {
        let answer: CollectionInfo = self.call(SHOW_INFO, named(collection)).await?;
        Info::read(&answer.json_info)
            .map_err(|words| MilvusError::Malformed { rpc: SHOW_INFO, words })
    }

    /// Makes all rows of a collection durable, countable and findable by id.
    ///
    /// # Errors
    /// When the server refuses or takes too long.
    pub async fn flush(&self, collection: &str) -> Result<()> {
        let request = FlushParam { collection_name_array: vec![collection.to_owned()] };
        // It answers when it is done.
        let limit = self.connection().options().wait_timeout;
        self.call_within::<Status>("Flush", request, limit).await.map(drop)
    }
}
