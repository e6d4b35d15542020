//! The request message.

use arrow_array::RecordBatch;

use super::column::InsertColumn;
use crate::milvus::Result;
use crate::milvus::connection::frames::{Frames, Parts};
use crate::milvus::wire::{put_number, put_text};

/// Where rows go, and how columns become fields. Decided once per table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsertHead {
    /// Database; empty for the server's default.
    pub database: String,
    /// Collection.
    pub collection: String,
    /// Partition; empty for the server's default.
    pub partition: String,
    /// All fields.
    pub columns: Vec<InsertColumn>,
}

impl InsertHead {
    /// The request that inserts (or upserts) `rows`.
    ///
    /// # Errors
    /// When a column is not of its field's type, or there are more than 4 GiB.
    pub fn request(&self, rows: &RecordBatch) -> Result<Frames> {
        let mut parts = Parts::default();
        let out = parts.out();
        put_text(out, 2, &self.database);
        put_text(out, 3, &self.collection);
        put_text(out, 4, &self.partition);
        for column in &self.columns {
            column.put(&mut parts, 5, rows.column(column.index))?;
        }
        put_number(parts.out(), 7, rows.num_rows() as u64);
        parts.finish("Insert", rows.num_rows())
    }
}
