//! Batches to requests, and what to do when one fails.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use async_trait::async_trait;
use tokio::sync::Mutex;

use super::check::Checks;
use super::count::{Before, CountBy};
use super::ids_file::IdsFile;
use super::loads::Loads;
use super::lookup::Lookup;
use super::target::Target;
use crate::error::{Error, Result, Retry};
use crate::flow::{Batch, Meter};
use crate::milvus::v2::Client;
use crate::milvus::v2::insert::{Frames, InsertHead, Verb};
use crate::sink::{Completion, SplitWriter, TableWriter, Written};
use crate::table::{Place, Split};

/// Largest request that is tried, in bytes: a server takes well from 5 to 15 MB at once (measured
/// on 2.3.5), and 64 MiB at most.
pub(super) const MAX_REQUEST: usize = 12 << 20;

/// What is done about rows whose ids are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clash {
    /// There are none, or nobody looks.
    None,
    /// They are left out.
    Skip,
    /// They take the place of those that are there.
    Replace,
}

/// An open target.
pub(super) struct Table {
    pub shared: Arc<Shared>,
    pub before: Before,
    /// Partitions that matter, and whether they are all of the collection.
    pub scope: (Vec<String>, bool),
}

/// What the writers of one target share.
pub(super) struct Shared {
    pub client: Client,
    pub target: Target,
    pub head: InsertHead,
    pub checks: Checks,
    /// Index of the id column.
    pub id: usize,
    pub clash: Clash,
    /// How a request is repeated when nobody knows whether it was carried out.
    pub repeat_as: Option<Verb>,
    /// For asking which ids are there already; taken when the table is complete.
    pub lookup: Mutex<Option<Lookup>>,
    /// Everything that was loaded for lookups.
    pub loads: Loads,
    /// Largest request, in bytes; shrinks when the server says that one was too large.
    pub max_request: AtomicUsize,
    /// Set when an insert was repeated as an upsert.
    pub upserted: AtomicBool,
    /// Where the ids of inserted rows are added, if anywhere.
    pub ids_file: Option<IdsFile>,
    pub meter: Arc<Meter>,
}

#[async_trait]
impl TableWriter for Table {
    async fn open_split(&self, _: &Split) -> Result<Box<dyn SplitWriter>> {
        let lookup = self.shared.lookup.lock().await.clone();
        Ok(Box::new(Writer { shared: Arc::clone(&self.shared), lookup }))
    }

    async fn complete(&self) -> Result<Completion> {
        let Shared { client, target, lookup, .. } = &*self.shared;
        client.flush(&target.collection).await?;
        let completion = match self.before.exactly {
            // Statistics count rows that an upsert replaced, and rows that were deleted before,
            // until the server tidies up: then only a query tells.
            Some(rows_before)
                if self.shared.upserted.load(Ordering::Relaxed)
                    || rows_before != self.before.rows =>
            {
                let (partitions, whole) = &self.scope;
                let loaded = client.load_missing(&target.collection, partitions, *whole).await?;
                let rows_after = CountBy::Query.count(client, target).await?;
                client.release(&target.collection, loaded).await?;
                Completion { rows_before, rows_after }
            }
            _ => Completion {
                rows_before: self.before.rows,
                rows_after: self.before.count_by.count(client, target).await?,
            },
        };
        if let Some(lookup) = lookup.lock().await.take() {
            self.shared.loads.release(client, &target.collection, lookup.loaded).await?;
        }
        Ok(completion)
    }
}

struct Writer {
    shared: Arc<Shared>,
    lookup: Option<Lookup>,
}

#[async_trait]
impl SplitWriter for Writer {
    async fn write(&mut self, batch: Batch) -> Result<Written> {
        let shared = &self.shared;
        shared.checks.check(&batch.rows, &batch.place)?;
        let mut written = Written::default();
        let mut rows = batch.rows.clone();
        if let (Clash::Skip | Clash::Replace, Some(lookup)) = (shared.clash, &self.lookup) {
            let ids = rows.column(shared.id);
            let existing = lookup.existing(&shared.client, &shared.target, ids).await?;
            if shared.clash == Clash::Replace {
                written.replaced = existing.len() as u64;
            } else if !existing.is_empty() {
                rows = without(&rows, shared.id, &existing)?;
                written.skipped = batch.len() - rows.num_rows() as u64;
            }
        }
        shared.send(&rows, &batch.place).await?;
        if let Some(file) = &shared.ids_file {
            file.add(rows.column(shared.id)).await?;
        }
        written.rows = rows.num_rows() as u64;
        Ok(written)
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Shared {
    /// Sends all rows, in as many requests as it takes.
    async fn send(&self, rows: &RecordBatch, place: &Place) -> Result<()> {
        let mut left = even_parts(rows, self.max_request.load(Ordering::Relaxed));
        left.reverse();
        while let Some(range) = left.pop() {
            let at = |error: Error| error.at(place_of(&range, place)).at(&self.target);
            let part = rows.slice(range.start, range.len());
            let frames = self.head.request(&part).map_err(|error| at(error.into()))?;
            let limit = self.max_request.load(Ordering::Relaxed);
            let too_large = if frames.message_len() > limit && range.len() > 1 {
                true
            } else {
                match self.send_frames(&frames).await {
                    Ok(()) => false,
                    Err(error)
                        if error.retry_advice() == Retry::SmallerBatch && range.len() > 1 =>
                    {
                        let smaller = frames.message_len() / 2;
                        self.max_request.fetch_min(smaller, Ordering::Relaxed);
                        tracing::warn!(%error, bytes = smaller, "Requests are made smaller");
                        self.meter.retries.add(1);
                        true
                    }
                    Err(error) => return Err(at(error)),
                }
            };
            if too_large {
                let middle = range.start + range.len() / 2;
                left.push(middle..range.end);
                left.push(range.start..middle);
            }
        }
        Ok(())
    }

    async fn send_frames(&self, frames: &Frames) -> Result<()> {
        let verb = if self.clash == Clash::Replace { Verb::Upsert } else { Verb::Insert };
        let mut in_doubt = false;
        let again = &mut |next: Verb| {
            self.meter.retries.add(1);
            if next == Verb::Upsert {
                self.upserted.store(true, Ordering::Relaxed);
            }
        };
        let sent = self.client.insert(verb, self.repeat_as, frames, &mut in_doubt, again).await;
        sent.map_err(|error| {
            let error = Error::from(error);
            match in_doubt {
                // Not even in smaller requests, whatever the last answer advises.
                true => error.retry(Retry::Ambiguous).help(format!(
                    "{} of these rows may be in {} or not, and sending them again could double them: compare the two, then run again with on_conflict: upsert or skip, or mode: overwrite",
                    frames.rows(),
                    self.target
                )),
                false => error,
            }
        })
    }
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

/// The rows whose ids are not among `existing`, which are sorted.
fn without(rows: &RecordBatch, id: usize, existing: &ArrayRef) -> Result<RecordBatch> {
    let ids = rows.column(id);
    let keep: BooleanArray = if let (Some(ids), Some(existing)) =
        (ids.as_primitive_opt::<Int64Type>(), existing.as_primitive_opt::<Int64Type>())
    {
        let existing = existing.values();
        ids.values().iter().map(|id| Some(existing.binary_search(id).is_err())).collect()
    } else if let (Some(ids), Some(existing)) =
        (ids.as_string_opt::<i32>(), existing.as_string_opt::<i32>())
    {
        let existing: Vec<_> = existing.iter().flatten().collect();
        ids.iter().flatten().map(|id| Some(existing.binary_search(&id).is_err())).collect()
    } else {
        return Err(Error::internal("Ids of the target are of another type than the source's"));
    };
    filter_record_batch(rows, &keep)
        .map_err(|error| Error::internal("Cannot leave out rows").because(error))
}
