//! The request message, as parts that need not lie together.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Frame, SizeHint};

use super::column::{InsertColumn, Parts};
use super::wire::{put_number, put_text};
use crate::milvus::v2::{MilvusError, Result};

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

/// A gRPC message in parts, prefix included. Cloning shares the parts.
#[derive(Debug, Clone)]
pub struct Frames {
    parts: Vec<Bytes>,
    message_len: usize,
    rows: usize,
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
        let (mut message, message_len) = parts.finish();
        let mut prefix = BytesMut::with_capacity(5);
        // Not compressed; length of the message.
        prefix.put_u8(0);
        prefix.put_u32(u32::try_from(message_len).map_err(|_| MilvusError::TooLarge {
            rpc: "Insert",
            words: format!("{message_len} bytes do not fit one request"),
        })?);
        message.insert(0, prefix.freeze());
        Ok(Frames { parts: message, message_len, rows: rows.num_rows() })
    }
}

impl Frames {
    /// Bytes of the message.
    pub fn message_len(&self) -> usize {
        self.message_len
    }

    /// Rows in the message.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The parts, in order; the first is gRPC's prefix of five bytes.
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    pub(super) fn body(&self) -> PartsBody {
        PartsBody { len: self.message_len as u64 + 5, parts: self.parts.clone().into() }
    }
}

/// An HTTP body of parts that are there already.
pub(super) struct PartsBody {
    parts: VecDeque<Bytes>,
    len: u64,
}

impl http_body::Body for PartsBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.parts.pop_front();
        self.len -= next.as_ref().map_or(0, |part| part.len() as u64);
        Poll::Ready(next.map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len)
    }
}
