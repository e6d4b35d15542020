//! Batches to requests, and what to do when one fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::{Array, RecordBatch};
use async_trait::async_trait;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::count::CountBy;
use super::finish::Finish;
use super::loads::Loads;
use super::lookup::Lookup;
use super::new_ids::{Fate, NewIds, in_doubt};
use super::resume::Memo;
use super::rules::tell_of_largest_id;
use crate::error::{Error, Result};
use crate::flow::{Batch, Meter};
use crate::milvus::MilvusError;
use crate::milvus::connection::frames::Frames;
use crate::milvus::late::LateRequests;
use crate::milvus::v2::Client;
use crate::milvus::v2::insert::{InsertHead, Verb};
use crate::sink::server::{Clash, IdsFile, Intake, TakesRows, Target, without};
use crate::sink::{Completion, Receipt, SplitWriter, TableWriter, Written};
use crate::table::Split;

/// An open target.
pub(super) struct Table {
    pub shared: Arc<Shared>,
    pub memo: Memo,
    /// Partitions that matter, and whether they are all of the collection.
    pub scope: (Vec<String>, bool),
    pub finish: Finish,
}

/// What the writers of one target share.
pub(super) struct Shared {
    pub client: Client,
    pub target: Target,
    pub head: InsertHead,
    /// Index of the id column.
    pub id: usize,
    pub clash: Clash,
    /// What requests do with their rows.
    pub verb: Verb,
    /// How a request is repeated when nobody knows whether it was carried out.
    pub repeat_as: Option<Verb>,
    /// The ambiguous requests, where one that is carried out late could double rows.
    pub late: Option<LateRequests>,
    /// For asking which ids are there already; taken when the table is complete.
    pub lookup: Mutex<Option<Lookup>>,
    /// Everything that was loaded for lookups.
    pub loads: Loads,
    pub intake: Arc<Intake>,
    /// What is known of a target whose rows get new ids; none where they keep theirs.
    pub new_ids: Option<NewIds>,
    /// Set when an upsert may have replaced rows of this run: it was repeated.
    pub upserted: AtomicBool,
    /// Where the ids of inserted rows are added, if anywhere.
    pub ids_file: Option<IdsFile>,
    pub meter: Arc<Meter>,
}

#[async_trait]
impl TableWriter for Table {
    fn memo(&self) -> serde_json::Value {
        // Plain numbers, which always serialise.
        serde_json::to_value(&self.memo).unwrap_or_default()
    }

    fn one_at_a_time(&self) -> bool {
        self.shared.new_ids.is_some()
    }

    async fn open_split(&self, split: &Split) -> Result<Box<dyn SplitWriter>> {
        // Nothing is read for a split that waits for its turn, so no memory waits with it.
        let turn = match &self.shared.new_ids {
            Some(new_ids) => Some(new_ids.turn(split.index as usize).await),
            None => None,
        };
        let lookup = self.shared.lookup.lock().await.clone();
        Ok(Box::new(Writer {
            shared: Arc::clone(&self.shared),
            lookup,
            repeats: false,
            _turn: turn,
        }))
    }

    async fn complete(&self) -> Result<Completion> {
        let Shared { client, target, lookup, new_ids, late, .. } = &*self.shared;
        new_ids.as_ref().map_or(Ok(()), |new_ids| new_ids.check_all_seen(target))?;
        if let Some(late) = late {
            late.wait().await;
        }
        let settling = client.settle().await;
        client.flush(&target.collection).await?;
        let completion = self.count().await?;
        drop(settling);
        if let Some(lookup) = lookup.lock().await.take() {
            self.shared.loads.release(client, &target.collection, lookup.loaded).await?;
        }
        self.finish.carry_out(client, target, &self.scope).await?;
        Ok(completion)
    }

    /// Milvus 2.3.5 may miss a segment of a partition that was just loaded, in queries and in its statistics (60 of
    /// 598 rows were counted, and all of them later).
    async fn count_again(&self) -> Result<Option<u64>> {
        match self.shared.client.version().is_lite() {
            true => Ok(None),
            false => Ok(Some(self.count().await?.rows_after)),
        }
    }
}

impl Table {
    /// Counts the rows before and after, the same way.
    async fn count(&self) -> Result<Completion> {
        let Shared { client, target, upserted, .. } = &*self.shared;
        let before = &self.memo.before;
        match before.exactly {
            // Statistics count rows that an upsert replaced, and rows that were deleted before,
            // until the server tidies up: then only a query tells.
            Some(rows_before) if upserted.load(Ordering::Relaxed) || rows_before != before.rows => {
                let (partitions, whole) = &self.scope;
                let loaded = client.load_missing(&target.collection, partitions, *whole).await?;
                let rows_after = CountBy::Query.count(client, target).await?;
                client.release(&target.collection, loaded).await?;
                Ok(Completion { rows_before, rows_after })
            }
            _ => Ok(Completion {
                rows_before: before.rows,
                rows_after: before.count_by.count(client, target).await?,
            }),
        }
    }
}

struct Writer {
    shared: Arc<Shared>,
    lookup: Option<Lookup>,
    /// True while rows come that an interrupted run may have sent.
    repeats: bool,
    _turn: Option<OwnedMutexGuard<()>>,
}

#[async_trait]
impl SplitWriter for Writer {
    async fn write(&mut self, batch: Batch) -> Result<Written> {
        self.end_repeating()?;
        self.send(batch, self.shared.verb, false).await
    }

    async fn repeat(&mut self, batch: Batch) -> Result<Written> {
        self.repeats = true;
        if let Some(new_ids) = &self.shared.new_ids {
            return self.send_rest(new_ids, batch).await;
        }
        // Where no repetition is safe, a look tells which rows are there.
        self.send(batch, self.shared.repeat_as.unwrap_or(self.shared.verb), true).await
    }

    async fn finish(mut self: Box<Self>) -> Result<Option<Receipt>> {
        self.end_repeating()?;
        Ok(None)
    }
}

impl Writer {
    fn end_repeating(&mut self) -> Result<()> {
        match &self.shared.new_ids {
            Some(new_ids) if std::mem::take(&mut self.repeats) => {
                new_ids.check_all_seen(&self.shared.target)
            }
            _ => Ok(()),
        }
    }

    /// Sends those of a batch's rows that have not arrived, which get new ids.
    async fn send_rest(&self, new_ids: &NewIds, batch: Batch) -> Result<Written> {
        let rows = batch.rows.num_rows();
        let there = match new_ids.fate(rows) {
            Fate::There(there) => there,
            Fate::Unknown => {
                let error =
                    Error::target("A request of the interrupted run was carried out in part");
                return Err(in_doubt(error.at(&batch.place), &self.shared.target, rows));
            }
        };
        let mut written = Written { rows: there as u64, ..Written::default() };
        if there < rows {
            let rest = batch.split_at(there as u64).1;
            written.rows += self.send(rest, Verb::Insert, true).await?.rows;
        }
        Ok(written)
    }

    /// Sends a batch; `again` when an interrupted run may have sent it.
    async fn send(&self, batch: Batch, verb: Verb, again: bool) -> Result<Written> {
        let shared = &self.shared;
        if shared.new_ids.is_none() {
            let ids = batch.rows.column(shared.id);
            tell_of_largest_id(shared.client.version(), ids, &batch.place);
        }
        if let (true, Some(late)) = (again, &shared.late) {
            late.wait().await;
        }
        let mut written = Written::default();
        let mut rows = batch.rows.clone();
        let there = match &self.lookup {
            Some(lookup) if again || shared.clash != Clash::None => {
                let ids = rows.column(shared.id);
                Some(lookup.existing(&shared.client, &shared.target, ids).await?)
            }
            _ => None,
        };
        if let Some(there) = there.filter(|there| !there.is_empty()) {
            let count = there.len() as u64;
            match shared.clash {
                Clash::Replace => written.replaced = count,
                Clash::Skip => written.skipped = count,
                // They can only be those that were sent.
                Clash::None => written.rows = count,
            }
            if again && shared.clash != Clash::None {
                written.uncertain = count;
            }
            if shared.clash != Clash::Replace {
                rows = without(&rows, shared.id, &there)?;
            }
        }
        let way = (&batch.place, &shared.target);
        let server = Sending { shared, verb };
        if verb == Verb::Upsert && again {
            shared.upserted.store(true, Ordering::Relaxed);
        }
        shared.intake.send_all(&rows, way, &server, &shared.meter).await?;
        if let Some(file) = &shared.ids_file {
            file.add(rows.column(shared.id)).await?;
        }
        written.rows += rows.num_rows() as u64;
        Ok(written)
    }
}

/// The server, and what requests do with their rows.
struct Sending<'a> {
    shared: &'a Shared,
    verb: Verb,
}

#[async_trait]
impl TakesRows for Sending<'_> {
    fn request(&self, rows: &RecordBatch) -> Result<Frames> {
        Ok(self.shared.head.request(rows)?)
    }

    async fn send(&self, request: &Frames, in_doubt: bool) -> Result<(), MilvusError> {
        let Sending { shared, verb } = *self;
        let verb = shared.repeat_as.filter(|_| in_doubt).unwrap_or(verb);
        if in_doubt && verb == Verb::Upsert {
            shared.upserted.store(true, Ordering::Relaxed);
        }
        let taken = shared.client.send_rows(verb, request).await?;
        if let Some(new_ids) = &shared.new_ids {
            new_ids.took(taken);
        }
        Ok(())
    }

    fn late_requests(&self) -> Option<&LateRequests> {
        self.shared.late.as_ref()
    }

    fn can_repeat(&self) -> bool {
        let by_number = self.shared.new_ids.as_ref().is_some_and(NewIds::can_tell);
        by_number || self.shared.repeat_as.is_some()
    }

    async fn arrived(&self, rows: &RecordBatch) -> Result<bool> {
        let Shared { client, target, new_ids, .. } = self.shared;
        match new_ids {
            Some(new_ids) => new_ids.arrived(client, target, rows.num_rows() as u64).await,
            None => Ok(false),
        }
    }

    fn explained(&self, error: MilvusError) -> Error {
        let denied = matches!(error, MilvusError::Denied { .. });
        match Error::from(error) {
            error if denied && self.verb == Verb::Upsert && self.shared.clash != Clash::Replace => {
                error.help("rows that keep their ids are sent by Upsert, so that a request which the server carries out late doubles none: grant the user Upsert, too")
            }
            error => error,
        }
    }

    fn in_doubt(&self, error: Error, target: &Target, rows: usize) -> Error {
        match self.shared.new_ids {
            Some(_) => in_doubt(error, target, rows),
            None => target.in_doubt(error, rows),
        }
    }
}
