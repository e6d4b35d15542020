//! Messages in parts that need not lie together, so that large buffers are sent from where they are.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Frame, SizeHint};

use crate::milvus::{MilvusError, Result};

/// Bytes of a request: small parts that were written, and buffers that are only referred to.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    parts: Vec<Bytes>,
    open: BytesMut,
    len: usize,
}

impl Parts {
    /// The place to write small things to.
    pub(crate) fn out(&mut self) -> &mut BytesMut {
        &mut self.open
    }

    /// Appends bytes without copying them.
    pub(crate) fn attach(&mut self, bytes: Bytes) {
        self.close();
        self.len += bytes.len();
        self.parts.push(bytes);
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.len += self.open.len();
            self.parts.push(self.open.split().freeze());
        }
    }

    /// The message, of a request that brings `rows`.
    ///
    /// # Errors
    /// When it has more than 4 GiB.
    pub(crate) fn finish(mut self, rpc: &'static str, rows: usize) -> Result<Frames> {
        self.close();
        let mut prefix = BytesMut::with_capacity(5);
        // Not compressed; length of the message.
        prefix.put_u8(0);
        prefix.put_u32(u32::try_from(self.len).map_err(|_| MilvusError::TooLarge {
            rpc,
            words: format!("{} bytes do not fit one request", self.len),
        })?);
        self.parts.insert(0, prefix.freeze());
        Ok(Frames { parts: self.parts, message_len: self.len, rows })
    }
}

/// A gRPC message in parts, prefix included. Cloning shares the parts.
#[derive(Debug, Clone)]
pub struct Frames {
    parts: Vec<Bytes>,
    message_len: usize,
    rows: usize,
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
