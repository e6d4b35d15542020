//! Rows in place of those that have their ids. These servers have no upsert: rows are removed, and
//! inserted anew.

use arrow::datatypes::Int64Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

use super::plan::existing;
use super::write::Shared;
use crate::error::{Error, Result};

impl Shared {
    /// Removes all rows that have one of `ids`. Returns how many that were, which can be more than
    /// there are ids; the count is the server's, before and after.
    pub(super) async fn remove(&self, ids: &ArrayRef) -> Result<u64> {
        if ids.is_empty() {
            return Ok(0);
        }
        let _alone = self.replacing.write().await;
        let before = self.count().await?;
        self.delete(ids).await?;
        let after = self.count().await?;
        Ok(before.saturating_sub(after))
    }

    /// After a request whose outcome is unknown: true when all its rows are there. Else none are,
    /// when this returns.
    pub(super) async fn are_there(&self, ids: &ArrayRef) -> Result<bool> {
        self.client.flush(&self.target.collection).await?;
        let there = existing(&self.client, &self.target, ids, self.row_bytes).await?;
        if there.len() == ids.len() {
            return Ok(true);
        }
        if !there.is_empty() {
            self.delete(&there).await?;
            self.client.flush(&self.target.collection).await?;
        }
        Ok(false)
    }

    async fn delete(&self, ids: &ArrayRef) -> Result<()> {
        let Some(ids) = ids.as_primitive_opt::<Int64Type>() else {
            return Err(Error::internal(format!("Ids can't be {}", ids.data_type())));
        };
        let (collection, partition) = (&self.target.collection, self.target.partition.as_deref());
        Ok(self.client.delete(collection, partition, ids.values()).await?)
    }
}
