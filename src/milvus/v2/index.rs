//! Indexes. In Milvus 2.x the metric is a property of the index.

use crate::milvus::v2::field::pair;
use crate::milvus::v2::proto::milvus::*;
use crate::milvus::v2::{Client, MilvusError, Result};

/// An index as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The field it is on.
    pub field: String,
    /// `HNSW`, `AUTOINDEX`, …
    pub index_type: String,
    /// `L2`, `HAMMING`, …; empty on scalar fields.
    pub metric: String,
}

impl Index {
    /// What the server says about it.
    pub(in crate::milvus) fn of(index: IndexDescription) -> Index {
        let value = |key: &str| {
            let pair = index.params.iter().find(|pair| pair.key == key);
            pair.map(|pair| pair.value.clone()).unwrap_or_default()
        };
        let (index_type, metric) = (value("index_type"), value("metric_type"));
        Index { field: index.field_name, index_type, metric }
    }
}

impl Client {
    /// The indexes of a collection.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn indexes(&self, collection: &str) -> Result<Vec<Index>> {
        let request = DescribeIndexRequest {
            db_name: self.db_name(),
            collection_name: collection.to_owned(),
            field_name: String::new(),
        };
        let descriptions = match self.call(request).await {
            Ok(answer) => answer.index_descriptions,
            Err(error) if error.is_missing() => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(descriptions.into_iter().map(Index::of).collect())
    }

    /// Creates an index. Returns when the server has noted it; it is built in the background.
    /// `params` is a JSON object, such as `{"M":16,"efConstruction":200}`.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_index(
        &self,
        collection: &str,
        field: &str,
        index_type: &str,
        metric: &str,
        params: &str,
    ) -> Result<()> {
        let request = CreateIndexRequest {
            db_name: self.db_name(),
            collection_name: collection.to_owned(),
            field_name: field.to_owned(),
            extra_params: vec![
                pair("index_type", index_type),
                pair("metric_type", metric),
                pair("params", params),
            ],
            index_name: String::new(),
        };
        match self.call(request).await {
            // It was carried out by a request whose answer was lost: Milvus Lite refuses the second.
            Err(MilvusError::Refused { .. })
                if self.indexes(collection).await?.iter().any(|made| {
                    made.field == field && made.index_type == index_type && made.metric == metric
                }) =>
            {
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }
}
