//! Indexes. In Milvus 2.x the metric is a property of the index.

use crate::milvus::v2::definition::IndexDefinition;
use crate::milvus::v2::proto::common::IndexState;
use crate::milvus::v2::proto::milvus::*;
use crate::milvus::v2::{Client, MilvusError, Result};

/// An index as the server describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// What it was made as.
    pub definition: IndexDefinition,
    /// True when it is built, as far as rows are flushed.
    pub finished: bool,
    /// Flushed rows that are not in it yet.
    pub rows_left: u64,
    /// Why it can't be built, if it can't.
    pub failed: Option<String>,
}

impl Index {
    /// What the server says about it.
    pub(in crate::milvus) fn of(index: IndexDescription) -> Index {
        let (state, left) = (index.state(), index.total_rows.saturating_sub(index.indexed_rows));
        Index {
            definition: IndexDefinition::of(index.field_name, index.index_name, index.params),
            finished: state == IndexState::Finished,
            rows_left: u64::try_from(left).unwrap_or(0),
            failed: (state == IndexState::Failed).then_some(index.index_state_fail_reason),
        }
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
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_index(&self, collection: &str, index: &IndexDefinition) -> Result<()> {
        let request = CreateIndexRequest {
            db_name: self.db_name(),
            collection_name: collection.to_owned(),
            field_name: index.field.clone(),
            extra_params: index.pairs(self.version().is_lite()),
            index_name: index.name.clone(),
        };
        match self.call(request).await {
            // It was carried out by a request whose answer was lost: Milvus Lite refuses the second.
            Err(MilvusError::Refused { .. })
                if self.indexes(collection).await?.iter().any(|made| {
                    let IndexDefinition { index_type, metric_type, .. } = &made.definition;
                    index.is(&made.definition)
                        && (index_type, metric_type) == (&index.index_type, &index.metric_type)
                }) =>
            {
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }

    /// Drops an index. The collection must not be loaded.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop_index(&self, collection: &str, field: &str, name: &str) -> Result<()> {
        let request = DropIndexRequest {
            db_name: self.db_name(),
            collection_name: collection.to_owned(),
            field_name: field.to_owned(),
            index_name: name.to_owned(),
        };
        self.call(request).await.map(drop)
    }
}
