//! Which rows are there, and removing some.

use super::Client;
use super::proto::*;
use crate::milvus::{MilvusError, Result};

/// Most ids that the server takes in one request for rows.
const MAX_IDS: usize = 1000;

/// Bytes of vectors that one answer may hold: no more than gRPC takes.
const ANSWER_BYTES: usize = 32 << 20;

/// Ids in one request to remove rows.
const REMOVE_AT_ONCE: usize = 100_000;

impl Client {
    /// Those of `ids` that flushed rows have, in the order in which they were given. The server
    /// has no cheaper way to say so than the rows themselves, each of `row_bytes`.
    ///
    /// Only rows of `partition` count where the server can tell
    /// ([`Version::scopes_ids_by_partition`](super::Version::scopes_ids_by_partition)), else those
    /// of all partitions.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn existing_ids(
        &self,
        collection: &str,
        partition: Option<&str>,
        ids: &[i64],
        row_bytes: usize,
    ) -> Result<Vec<i64>> {
        let rpc = "GetVectorsByID";
        let at_once = (ANSWER_BYTES / row_bytes.max(1)).clamp(1, MAX_IDS);
        let mut existing = Vec::new();
        for ids in ids.chunks(at_once) {
            let request = VectorsIdentity {
                collection_name: collection.to_owned(),
                id_array: ids.to_vec(),
                partition_tag: partition.unwrap_or_default().to_owned(),
            };
            let rows = self.call::<VectorsData>(rpc, request).await?.vectors_data;
            let found = found_ids(ids, &rows);
            existing.extend(found.map_err(|words| MilvusError::Malformed { rpc, words })?);
        }
        Ok(existing)
    }

    /// Removes all flushed rows that have one of `ids`, as [`existing_ids`](Self::existing_ids)
    /// finds them. They are gone after the next flush.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn delete(
        &self,
        collection: &str,
        partition: Option<&str>,
        ids: &[i64],
    ) -> Result<()> {
        for ids in ids.chunks(REMOVE_AT_ONCE) {
            let request = DeleteByIdParam {
                collection_name: collection.to_owned(),
                id_array: ids.to_vec(),
                partition_tag: partition.unwrap_or_default().to_owned(),
            };
            self.call::<Status>("DeleteByID", request).await?;
        }
        Ok(())
    }
}

/// Those of `ids` that the server answered with a row for; what is wrong with its answer otherwise.
pub(in crate::milvus) fn found_ids(ids: &[i64], rows: &[RowRecord]) -> Result<Vec<i64>, String> {
    // A collection without a row answers with nothing at all.
    if !rows.is_empty() && rows.len() != ids.len() {
        return Err(format!("{} rows for {} ids", rows.len(), ids.len()));
    }
    let there = |row: &RowRecord| !row.float_data.is_empty() || !row.binary_data.is_empty();
    let found = ids.iter().zip(rows).filter(|(_, row)| there(row));
    Ok(found.map(|(id, _)| *id).collect())
}
