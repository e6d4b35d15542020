//! Rows in as many requests as it takes.

use std::fmt::Display;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use async_trait::async_trait;

use crate::error::{Error, Result, Retry};
use crate::flow::Meter;
use crate::milvus::connection::frames::Frames;
use crate::table::Place;

/// Largest request that is tried, in bytes: a server takes well from 5 to 15 MB at once (measured
/// on 2.3.5), and 64 MiB at most.
const MAX_REQUEST: usize = 12 << 20;

/// A server that takes rows in requests.
#[async_trait]
pub(crate) trait TakesRows: Sync {
    /// The request that brings `rows`.
    fn request(&self, rows: &RecordBatch) -> Result<Frames>;

    /// Sends it, as often as it takes. An error that advises [`Retry::SmallerBatch`] has done
    /// nothing.
    async fn send(&self, rows: &RecordBatch, request: &Frames) -> Result<()>;
}

/// The size of requests; shrinks when the server says that one was too large.
#[derive(Debug)]
pub(crate) struct RequestSize(AtomicUsize);

impl Default for RequestSize {
    fn default() -> Self {
        RequestSize(AtomicUsize::new(MAX_REQUEST))
    }
}

impl RequestSize {
    /// Sends all rows, which come from `place`, to `target`.
    pub(crate) async fn send_all(
        &self,
        rows: &RecordBatch,
        (place, target): (&Place, &(dyn Display + Sync)),
        server: &impl TakesRows,
        meter: &Meter,
    ) -> Result<()> {
        let mut left = even_parts(rows, self.bytes());
        left.reverse();
        while let Some(range) = left.pop() {
            let at = |error: Error| error.at(place_of(&range, place)).at(target);
            let part = rows.slice(range.start, range.len());
            let request = server.request(&part).map_err(at)?;
            let sent = match range.len() > 1 && request.message_len() > self.bytes() {
                true => Sent::TooLarge,
                false => match server.send(&part, &request).await {
                    Err(error)
                        if error.retry_advice() == Retry::SmallerBatch && range.len() > 1 =>
                    {
                        let bytes = request.message_len() / 2;
                        self.0.fetch_min(bytes, Ordering::Relaxed);
                        tracing::warn!(%error, bytes, "Requests are made smaller");
                        meter.retries.add(1);
                        Sent::TooLarge
                    }
                    sent => sent.map(|()| Sent::Whole).map_err(at)?,
                },
            };
            if sent == Sent::TooLarge {
                let middle = range.start + range.len() / 2;
                left.push(middle..range.end);
                left.push(range.start..middle);
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(PartialEq, Eq)]
enum Sent {
    Whole,
    TooLarge,
}

/// The rows in parts of about the same size, of at most `limit` bytes each.
fn even_parts(rows: &RecordBatch, limit: usize) -> Vec<Range<usize>> {
    let bytes: usize = rows
        .columns()
        .iter()
        .map(|column| column.to_data().get_slice_memory_size().unwrap_or(0))
        .sum();
    let count = rows.num_rows();
    let parts = bytes.div_ceil(limit.max(1)).clamp(1, count.max(1));
    (0..parts)
        .map(|part| count * part / parts..count * (part + 1) / parts)
        .filter(|range| !range.is_empty())
        .collect()
}

fn place_of(range: &Range<usize>, place: &Place) -> String {
    let first = place.row(range.start as u64);
    let last = place.row(range.end as u64);
    format!("table {}, split {}, rows {first} to {last}", place.table, place.split)
}
