//! Record batches to insert requests.
//!
//! A packed `repeated float` is, on the wire, the little-endian memory of the vector. The headers
//! between the rows are written by hand, so that a vector is copied once and no value looked at.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float32Type, Int64Type, UInt8Type};
use arrow_array::RecordBatch;
use bytes::BufMut;

use super::Client;
use super::proto::VectorIds;
use super::rpc::{Answer, procedure};
use super::status::of_status;
use crate::milvus::connection::frames::{Frames, Parts};
use crate::milvus::wire::{field_len, put_header, put_text, put_varint, varint_len};
use crate::milvus::{MilvusError, Result};

const RPC: &str = "Insert";

/// Where rows go, and what they look like. Decided once per table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsertHead {
    /// Collection.
    pub collection: String,
    /// Partition; empty for the default one.
    pub partition: String,
    /// Index of the id column, which is `Int64`.
    pub id: usize,
    /// Index of the vector column: a list of `Float32`, or of `UInt8` with eight bits each.
    pub vector: usize,
}

impl InsertHead {
    /// The request that inserts `rows`.
    ///
    /// # Errors
    /// When a column is not of its type, holds nulls, or there are more than 4 GiB.
    pub fn request(&self, rows: &RecordBatch) -> Result<Frames> {
        let (ids, vectors) = (rows.column(self.id), rows.column(self.vector));
        let wrong = || {
            MilvusError::Settings(format!(
                "Milvus 1.x takes Int64 ids and vectors of floats or bits, not {} and {}",
                ids.data_type(),
                vectors.data_type()
            ))
        };
        let (Some(ids), Some(vectors)) =
            (ids.as_primitive_opt::<Int64Type>(), vectors.as_fixed_size_list_opt())
        else {
            return Err(wrong());
        };
        let elements = vectors.values();
        let (field, width, bytes) = if let Some(floats) = elements.as_primitive_opt::<Float32Type>()
        {
            (1, 4, floats.values().inner().as_slice())
        } else if let Some(bits) = elements.as_primitive_opt::<UInt8Type>() {
            (2, 1, bits.values().inner().as_slice())
        } else {
            return Err(wrong());
        };
        let nulls = ids.null_count() + vectors.null_count() + elements.null_count();
        let row_bytes = usize::try_from(vectors.value_length()).unwrap_or(0) * width;
        if nulls > 0 || row_bytes == 0 {
            return Err(wrong());
        }

        let mut parts = Parts::default();
        let out = parts.out();
        let record = field_len(field, row_bytes);
        out.reserve(vectors.len() * (field_len(2, record) + 10) + 1024);
        put_text(out, 1, &self.collection);
        for row in bytes.chunks_exact(row_bytes) {
            put_header(out, 2, record);
            put_header(out, field, row_bytes);
            out.put_slice(row);
        }
        let ids = ids.values();
        put_header(out, 3, ids.iter().map(|id| varint_len(id.cast_unsigned())).sum());
        ids.iter().for_each(|id| put_varint(out, id.cast_unsigned()));
        put_text(out, 4, &self.partition);
        parts.finish(RPC, rows.num_rows())
    }
}

impl Client {
    /// Inserts rows, once: it may have happened even where this fails. The server does not look
    /// whether it holds their ids already.
    ///
    /// # Errors
    /// When the server refuses, or its answer does not come.
    pub async fn insert(&self, frames: &Frames) -> Result<()> {
        let limit = self.connection().options().request_timeout;
        let answer: VectorIds = self.connection().send(procedure(RPC), frames, limit).await?;
        if let Some(error) = of_status(RPC, answer.status()) {
            return Err(error);
        }
        match answer.vector_id_array.len() {
            taken if taken == frames.rows() => Ok(()),
            taken => Err(MilvusError::Malformed {
                rpc: RPC,
                words: format!("{taken} rows taken of {} sent", frames.rows()),
            }),
        }
    }
}
