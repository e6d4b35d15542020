//! Reading a collection page by page, in the order of its primary keys.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_array::{Array, ArrayRef, RecordBatch};
use serde::{Deserialize, Serialize};

use crate::error::Retry;
use crate::milvus::v2::Client;
use crate::milvus::v2::freshness::Freshness;
use crate::milvus::v2::keys::{Key, KeyRange};
use crate::milvus::v2::query::{IDS_PER_QUERY, Question, is_one_of, portions, the_count};
use crate::milvus::v2::rows::rows_of;
use crate::milvus::{MilvusError, Result};

/// Most rows of a page: what servers answer with at most.
pub const MAX_PAGE: usize = 16_384;

/// What is read: rows of a loaded collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// The collection.
    pub collection: String,
    /// The partitions; all of them when empty.
    pub partitions: Vec<String>,
    /// Name of the primary key.
    pub key: String,
    /// True when keys are texts.
    pub texts: bool,
    /// A further condition, in the server's own language.
    pub filter: Option<String>,
    /// Which rows are shown, from [`Client::freshness`].
    #[serde(default)]
    pub freshness: Freshness,
}

impl Scan {
    /// The columns of a page of keys alone.
    pub fn key_schema(&self) -> SchemaRef {
        let data_type = if self.texts { DataType::Utf8 } else { DataType::Int64 };
        Arc::new(Schema::new(vec![Field::new(&self.key, data_type, false)]))
    }

    fn question(&self, range: &KeyRange, fields: Vec<String>) -> Question<'_> {
        self.question_of(range.condition(&self.key, self.texts), fields)
    }

    fn question_of(&self, keys: String, fields: Vec<String>) -> Question<'_> {
        let expr = match &self.filter {
            Some(filter) => format!("({filter}) and ({keys})"),
            None => keys,
        };
        Question {
            collection: &self.collection,
            partitions: &self.partitions,
            expr,
            fields,
            limit: None,
            in_order: false,
            freshness: self.freshness,
        }
    }
}

impl Client {
    /// The moment that the collection shows now, from servers that keep it; 0 from others.
    pub(super) async fn moment(&self, scan: &Scan) -> Result<u64> {
        let question = scan.question(&KeyRange::default(), vec![scan.key.clone()]);
        let question = Question { limit: Some(1), in_order: true, ..question };
        Ok(self.ask(question).await?.session_ts)
    }

    /// The first rows of a range, at most `limit`, by ascending key; each key once. `schema` has
    /// the columns that are wanted. Fewer than `limit` may come although there are more, because
    /// they are more than the server can send at once, say: a range ends with a page without rows.
    ///
    /// # Errors
    /// When the collection is not loaded, the server can't be asked, or its fields have other types.
    pub async fn page(
        &self,
        scan: &Scan,
        range: &KeyRange,
        schema: &SchemaRef,
        limit: usize,
    ) -> Result<RecordBatch> {
        let names = schema.fields().iter().map(|field| field.name().clone());
        let fields: Vec<_> = names.collect();
        let mut limit = limit;
        loop {
            let question = scan.question(range, fields.clone());
            let question = Question { limit: Some(limit), in_order: true, ..question };
            match self.ask(question).await {
                Ok(answer) => return rows_of(schema, &answer),
                Err(error) if error.retry() == Retry::SmallerBatch && limit > 1 => {
                    tracing::debug!(limit, "A page is too large to be sent: {error}");
                    limit /= 2;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The first key of a range; none where it has no rows.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub async fn first_key(&self, scan: &Scan, range: &KeyRange) -> Result<Option<Key>> {
        let page = self.page(scan, range, &scan.key_schema(), 1).await?;
        Ok(Key::last_of(page.column(0)))
    }

    /// How many rows have one of some keys, all of several rows with one key.
    ///
    /// # Errors
    /// When the collection is not loaded, or the server can't be asked.
    pub async fn count_of(&self, scan: &Scan, keys: &ArrayRef) -> Result<u64> {
        let mut count = 0;
        for some in portions(keys, IDS_PER_QUERY) {
            let Some(condition) = is_one_of(&scan.key, &some) else {
                let words = format!("keys that are {}", keys.data_type());
                return Err(MilvusError::Malformed { rpc: "Query", words });
            };
            let question = scan.question_of(condition, vec!["count(*)".to_owned()]);
            count += the_count(&self.ask(question).await?)?;
        }
        Ok(count)
    }

    /// How many rows there are in a range. Where a key is held by several rows, all of them count.
    ///
    /// # Errors
    /// When the collection is not loaded, or the server can't be asked.
    pub async fn count_in(&self, scan: &Scan, range: &KeyRange) -> Result<u64> {
        let question = scan.question(range, vec!["count(*)".to_owned()]);
        the_count(&self.ask(question).await?)
    }
}
