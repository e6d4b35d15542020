//! Rows in as many requests as it takes, each sent as often as it takes.

use std::ops::Range;
use std::sync::OnceLock;
use std::time::Duration;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use tokio::time::Instant;

use super::Target;
use super::limit::{Change, WriteLimit};
use super::request_size::RequestSize;
use crate::error::{Error, Result, Retry};
use crate::flow::Meter;
use crate::milvus::connection::frames::Frames;
use crate::milvus::error::{MilvusError, Strain};
use crate::milvus::late::{LateRequests, wait_until};
use crate::milvus::retry::Pauses;
use crate::ownership::Hold;
use crate::sink::WriteLoad;
use crate::table::{Place, shown_id};
use crate::words;

/// A server that takes rows in requests.
#[async_trait]
pub(crate) trait TakesRows: Sync {
    /// The request that brings `rows`.
    fn request(&self, rows: &RecordBatch) -> Result<Frames>;

    /// Sends it once; `in_doubt` when it may have been carried out before.
    async fn send(&self, request: &Frames, in_doubt: bool) -> Result<(), MilvusError>;

    /// True when rows that may be there can be sent again without doubling them.
    fn can_repeat(&self) -> bool;

    /// Where the ambiguous requests are noted; `None` where one that is carried out late does no harm,
    /// because the server replaces rows of the same id.
    fn late_requests(&self) -> Option<&LateRequests> {
        None
    }

    /// Called before rows that may be there are sent again, once no earlier attempt can be carried
    /// out any more. True when a look shows that all of them are there.
    async fn arrived(&self, _rows: &RecordBatch) -> Result<bool> {
        Ok(false)
    }

    /// Adds to an error of sending that many rows to `target` that they may have arrived all the same.
    fn in_doubt(&self, error: Error, target: &Target, rows: usize) -> Error {
        target.in_doubt(error, rows)
    }

    /// The error for people.
    fn explained(&self, error: MilvusError) -> Error {
        error.into()
    }
}

/// What all writers of one server share: how much it takes at once.
#[derive(Debug)]
pub(crate) struct Intake {
    limit: WriteLimit,
    size: RequestSize,
    /// How long a request is tried again while it fails for a passing reason.
    retry_for: Duration,
    /// The marks of the targets.
    hold: OnceLock<Hold>,
}

impl Intake {
    /// For at most `parallelism` requests at once.
    pub(crate) fn new(parallelism: usize, retry_for: Duration) -> Self {
        let (limit, size) = (WriteLimit::new(parallelism), RequestSize::default());
        Intake { limit, size, retry_for, hold: OnceLock::new() }
    }

    /// Learns of the marks of the targets.
    pub(crate) fn set_hold(&self, hold: &Hold) {
        let _ = self.hold.set(hold.clone());
    }

    /// That the targets are still the run's.
    pub(crate) async fn confirm(&self) -> Result<()> {
        match self.hold.get() {
            Some(hold) => hold.confirm().await,
            None => Ok(()),
        }
    }

    /// How much that is now.
    pub(crate) fn load(&self) -> WriteLoad {
        WriteLoad { writes: self.limit.now(), request_bytes: self.size.now() }
    }

    /// Sends all rows, which come from `place`, to `target`.
    pub(crate) async fn send_all(
        &self,
        rows: &RecordBatch,
        (place, target): (&Place, &Target),
        server: &impl TakesRows,
        meter: &Meter,
    ) -> Result<()> {
        let mut left = even_parts(rows, self.size.now());
        left.reverse();
        while let Some(range) = left.pop() {
            let at = |error: Error| error.at(place_of(&range, rows, place)).at(target);
            let part = rows.slice(range.start, range.len());
            let request = server.request(&part).map_err(at)?;
            let bytes = request.message_len();
            let sent = match range.len() > 1 && bytes > self.size.now() {
                true => Sent::TooLarge,
                false => match self.send(&part, &request, target, server, meter).await {
                    Err(error)
                        if error.retry_advice() == Retry::SmallerBatch && range.len() > 1 =>
                    {
                        self.size.too_large(bytes);
                        tracing::warn!(%error, bytes = self.size.now(), "Requests are made smaller");
                        meter.retries.add(1);
                        Sent::TooLarge
                    }
                    sent => sent.map(|()| Sent::Whole).map_err(|e| at(of_one_row(e, bytes)))?,
                },
            };
            match sent {
                Sent::Whole => self.size.taken(bytes),
                Sent::TooLarge => {
                    let middle = range.start + range.len() / 2;
                    left.push(middle..range.end);
                    left.push(range.start..middle);
                }
            }
        }
        Ok(())
    }

    /// Sends a request, and again while that fails for a passing reason and time is left. An error
    /// that advises [`Retry::SmallerBatch`] has done nothing.
    async fn send(
        &self,
        rows: &RecordBatch,
        request: &Frames,
        target: &Target,
        server: &impl TakesRows,
        meter: &Meter,
    ) -> Result<()> {
        let mut pauses = Pauses::new(self.retry_for);
        let mut in_doubt = false;
        let mut ambiguous_until = None;
        loop {
            // Others who are in the way say nothing about how this request fares.
            let waiting_since = Instant::now();
            let pass = self.limit.enter().await;
            pauses.leave_out(waiting_since.elapsed());
            let sent_at = Instant::now();
            let sent = server.send(request, in_doubt).await;
            match sent.as_ref().map_err(MilvusError::strain) {
                // It failed for another reason, which says nothing about how much is too much.
                Err(Strain::None) => drop(pass),
                Err(strain) => self.heed(pass.answered(strain), strain),
                Ok(()) => self.heed(pass.answered(Strain::None), Strain::None),
            }
            let Err(error) = sent else { return Ok(()) };
            let advice = error.retry();
            if advice == Retry::Ambiguous {
                in_doubt = true;
                ambiguous_until = server.late_requests().map(|late| late.note(sent_at));
            }
            let again = match advice {
                Retry::BackOff => true,
                Retry::Ambiguous => server.can_repeat(),
                Retry::No | Retry::SmallerBatch => false,
            };
            let doubtful = |error| match in_doubt {
                true => server.in_doubt(error, target, request.rows()),
                false => error,
            };
            if !again || !pauses.pause(&error).await {
                return Err(doubtful(server.explained(error)));
            }
            meter.retries.add(1);
            if let Some(deadline) = ambiguous_until {
                pauses.leave_out(wait_until(deadline).await);
            }
            if in_doubt && server.arrived(rows).await.map_err(doubtful)? {
                return Ok(());
            }
            // Another run may have taken the target while this one could not reach it.
            self.confirm().await.map_err(doubtful)?;
        }
    }

    /// Says how much the server takes now, and sends less at once to one that is short of memory.
    fn heed(&self, change: Change, strain: Strain) {
        match change {
            Change::None | Change::Least => {}
            Change::More(writes) => tracing::debug!(writes, "More requests are sent at once"),
            Change::Fewer(writes) => {
                tracing::info!(writes, "The server is overloaded: fewer requests are sent at once")
            }
        }
        // Once in a round of answers, as the limit.
        if strain == Strain::Memory
            && matches!(change, Change::Fewer(_) | Change::Least)
            && let Some(bytes) = self.size.short_of_memory()
        {
            tracing::info!(bytes, "The server is short of memory: requests are made smaller");
        }
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

fn place_of(range: &Range<usize>, rows: &RecordBatch, place: &Place) -> String {
    let first = place.row(range.start as u64);
    let Place { table, split, .. } = place;
    match (range.len(), shown_id(rows, range.start)) {
        (1, Some(id)) => format!("table {table}, split {split}, row {first} (id {id})"),
        _ => {
            let last = place.row(range.end as u64);
            format!("table {table}, split {split}, rows {first} to {last}")
        }
    }
}

/// A request that is refused for its size although it can't be smaller has one row.
fn of_one_row(error: Error, bytes: usize) -> Error {
    if error.retry_advice() != Retry::SmallerBatch {
        return error;
    }
    let bytes = words::bytes(bytes as f64);
    Error::target(format!("A row alone is {bytes}, and the server refuses it for its size"))
        .because(error)
        .help("leave the row or its largest field out, or raise the server's limit (proxy.grpc.serverMaxRecvSize of a Milvus)")
}
