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
        let mut existing = Vec::new();
        self.each_by_id(collection, partition, ids, row_bytes, |id, _| existing.push(id)).await?;
        Ok(existing)
    }

    /// The same with the rows: ids, and the bytes of their vectors one after the other.
    ///
    /// # Errors
    /// When the server can't be asked, or its vectors are not of `row_bytes`.
    pub async fn rows_by_id(
        &self,
        collection: &str,
        partition: Option<&str>,
        ids: &[i64],
        row_bytes: usize,
    ) -> Result<(Vec<i64>, Vec<u8>)> {
        let (mut existing, mut vectors, mut fits) = (Vec::new(), Vec::new(), true);
        let take = |id, row: &RowRecord| {
            let vector = if row.float_data.is_empty() { &row.binary_data } else { &row.float_data };
            fits &= vector.len() == row_bytes;
            existing.push(id);
            vectors.extend_from_slice(vector);
        };
        self.each_by_id(collection, partition, ids, row_bytes, take).await?;
        match fits {
            true => Ok((existing, vectors)),
            false => Err(MilvusError::Malformed {
                rpc: "GetVectorsByID",
                words: format!("vectors of other than {row_bytes} bytes"),
            }),
        }
    }

    /// Hands each row that has one of `ids` to `take`.
    async fn each_by_id(
        &self,
        collection: &str,
        partition: Option<&str>,
        ids: &[i64],
        row_bytes: usize,
        mut take: impl FnMut(i64, &RowRecord),
    ) -> Result<()> {
        let rpc = "GetVectorsByID";
        let at_once = (ANSWER_BYTES / row_bytes.max(1)).clamp(1, MAX_IDS);
        for ids in ids.chunks(at_once) {
            let request = VectorsIdentity {
                collection_name: collection.to_owned(),
                id_array: ids.to_vec(),
                partition_tag: partition.unwrap_or_default().to_owned(),
            };
            let rows = self.call::<VectorsData>(rpc, request).await?.vectors_data;
            let found = found_rows(ids, &rows);
            let found = found.map_err(|words| MilvusError::Malformed { rpc, words })?;
            found.for_each(|(id, row)| take(id, row));
        }
        Ok(())
    }

    /// The ids of all flushed rows of a segment that were not deleted; an id that several rows have
    /// comes several times.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn segment_ids(&self, collection: &str, segment: &str) -> Result<Vec<i64>> {
        let request = GetVectorIDsParam {
            collection_name: collection.to_owned(),
            segment_name: segment.to_owned(),
        };
        let answer: VectorIds = self.call("GetVectorIDs", request).await?;
        Ok(answer.vector_id_array)
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

/// Those of `ids` that the server answered with a row for, and the rows; what is wrong with its answer
/// otherwise.
pub(in crate::milvus) fn found_rows<'a>(
    ids: &'a [i64],
    rows: &'a [RowRecord],
) -> Result<impl Iterator<Item = (i64, &'a RowRecord)>, String> {
    // A collection without a row answers with nothing at all.
    if !rows.is_empty() && rows.len() != ids.len() {
        return Err(format!("{} rows for {} ids", rows.len(), ids.len()));
    }
    let there = |row: &RowRecord| !row.float_data.is_empty() || !row.binary_data.is_empty();
    Ok(ids.iter().copied().zip(rows).filter(move |(_, row)| there(row)))
}
