//! Rows by their ids: reading and counting them, and listing the ids there are.

use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use arrow_array::{Array, ArrayRef, RecordBatch};

use super::freshness::Freshness;
use super::keys::{Key, KeyRange};
use super::page::{MAX_PAGE, Scan};
use super::query::{IDS_PER_QUERY, Question, is_one_of, portions};
use super::rows::to_arrow;
use crate::error::Retry;
use crate::milvus::v2::{Client, MilvusError, Result};

/// Bytes of rows that one answer may hold, about: well below what a server sends (64 MiB).
const ANSWER_BYTES: usize = 8 << 20;

/// A loaded collection, or some of its partitions, whose rows are looked up by their ids.
#[derive(Debug, Clone)]
pub struct ById {
    /// The collection.
    pub collection: String,
    /// The partitions; all of them when empty.
    pub partitions: Vec<String>,
    /// Name of the primary key.
    pub key: String,
    /// Which rows are shown.
    pub freshness: Freshness,
}

impl ById {
    fn these(&self, ids: &ArrayRef, fields: Vec<String>) -> Result<Question<'_>> {
        let Some(expr) = is_one_of(&self.key, ids) else {
            return Err(MilvusError::Settings(format!("Ids can't be {}", ids.data_type())));
        };
        Ok(self.those(expr, fields))
    }

    /// All its rows, page by page.
    fn scan(&self, ids: &DataType) -> Scan {
        Scan {
            collection: self.collection.clone(),
            partitions: self.partitions.clone(),
            key: self.key.clone(),
            texts: *ids == DataType::Utf8,
            filter: None,
            freshness: self.freshness,
        }
    }

    fn those(&self, expr: String, fields: Vec<String>) -> Question<'_> {
        let (collection, partitions) = (&*self.collection, &*self.partitions);
        let freshness = self.freshness;
        Question { collection, partitions, expr, fields, limit: None, in_order: false, freshness }
    }
}

impl Client {
    /// Those rows that have one of `ids`, in no order; of several rows with one id, one. Each field
    /// is given by its name and the column that it becomes; a row takes about `row_bytes`.
    ///
    /// # Errors
    /// When the collection is not loaded, the server can't be asked, or its fields have other types.
    pub async fn rows_by_id(
        &self,
        of: &ById,
        ids: &ArrayRef,
        fields: &[(String, Field)],
        row_bytes: usize,
    ) -> Result<RecordBatch> {
        let columns: Vec<_> = fields.iter().map(|(_, f)| f.clone().with_nullable(true)).collect();
        let schema = Arc::new(Schema::new(columns));
        let malformed = |words: String| MilvusError::Malformed { rpc: "Query", words };
        let at_once = (ANSWER_BYTES / row_bytes.max(1)).clamp(1, IDS_PER_QUERY);
        let mut batches = Vec::new();
        let mut waiting: Vec<_> = portions(ids, at_once).collect();
        while let Some(ids) = waiting.pop() {
            let names = fields.iter().map(|(name, _)| name.clone()).collect();
            let answer = match self.ask(of.these(&ids, names)?).await {
                Ok(answer) => answer.fields_data,
                // Rows may be much longer than they usually are.
                Err(error) if error.retry() == Retry::SmallerBatch && ids.len() > 1 => {
                    waiting.extend(portions(&ids, ids.len().div_ceil(2)));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if answer.is_empty() {
                continue;
            }
            let mut arrays = Vec::new();
            for ((name, _), field) in fields.iter().zip(schema.fields()) {
                let data = answer.iter().find(|data| data.field_name == *name);
                let array = data.and_then(|data| to_arrow(field, data));
                arrays.push(array.ok_or_else(|| {
                    malformed(format!("the field {name} is not {}", field.data_type()))
                })?);
            }
            let rows = RecordBatch::try_new(Arc::clone(&schema), arrays);
            batches.push(rows.map_err(|error| malformed(error.to_string()))?);
        }
        concat_batches(&schema, &batches).map_err(|error| malformed(error.to_string()))
    }

    /// How many rows have one of `ids`, all of several rows with one id.
    ///
    /// # Errors
    /// When the collection is not loaded, or the server can't be asked.
    pub async fn count_by_id(&self, of: &ById, ids: &ArrayRef) -> Result<u64> {
        self.count_of(&of.scan(ids.data_type()), ids).await
    }

    /// Ids in ascending order, each once: the next some after `last`, or the first ones. None are
    /// left when none come; few do not mean the end.
    ///
    /// # Errors
    /// When the collection is not loaded, or the server can't be asked.
    pub async fn ids_after(
        &self,
        of: &ById,
        data_type: &DataType,
        last: Option<&ArrayRef>,
    ) -> Result<ArrayRef> {
        let range = KeyRange { after: last.and_then(Key::last_of), up_to: None };
        let schema = Arc::new(Schema::new(vec![Field::new(&of.key, data_type.clone(), true)]));
        Ok(self.page(&of.scan(data_type), &range, &schema, MAX_PAGE).await?.column(0).clone())
    }
}
