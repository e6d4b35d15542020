//! Where rows go. One file or folder per sink; the registry below names them all.

use std::sync::Arc;

use arrow_array::ArrayRef;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::flow::{BATCH_BYTES, Batch, Meter, SplitProgress};
use crate::location::DataLocation;
use crate::ownership::{Hold, MarkStore};
use crate::registry::registry;
use crate::table::{Checksum, Metric, Part, RowRules, Split, TableSchema};
use crate::transform::TransformFactory;

pub mod files;
mod read_back;
pub mod server;

pub use read_back::{Duplicates, IdPages, Leeway, OldRow, ReadBack, RowsById};

registry! {
    /// Where rows go: exactly one kind.
    SinkConfig: SinkFactory;
    /// HDF5 files.
    hdf5 => Hdf5,
    /// A live Milvus 2.x server.
    milvus => Milvus,
    /// A live Milvus 0.10 or 1.x server.
    milvus1 => Milvus1,
    /// Takes rows and forgets them, for measuring sources and for tests.
    null => Null,
    /// Parquet files.
    parquet => Parquet,
}

/// What happens to a target table that exists already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Rows are added to it.
    #[default]
    Append,
    /// It is left alone and nothing moves into it.
    Skip,
    /// Its rows are replaced.
    Overwrite,
}

/// What a sink learns about the run when it is made.
#[derive(Debug, Clone)]
pub struct SinkContext {
    /// The kind of source, for descriptions at the target.
    pub source_kind: &'static str,
    /// Upper bound of writes in flight.
    pub parallelism: usize,
    /// True when only a plan is made: nothing may change at the target.
    pub dry_run: bool,
}

/// A sink's configuration, which is also its factory.
pub trait SinkFactory {
    /// Makes the sink. Checks what can be checked without touching files or servers.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) when the settings contradict each other.
    fn build(&self, cx: &SinkContext) -> Result<Box<dyn Sink>>;

    /// Where rows go, in a form that stays the same between two runs: the journal is found by it.
    fn place(&self) -> String;
}

/// A table that is about to be written: what the source says, after all transforms. Several tables
/// of the source that go to one target come as one.
#[derive(Debug, Clone)]
pub struct TableToWrite {
    /// The source table's name; `a + b` for several.
    pub name: String,
    /// The database that its collection would be in, when the sink's config names none; none for
    /// the sink's default.
    pub database: Option<String>,
    /// The collection it would be, when the sink's config names none.
    pub collection: String,
    /// Which part of that collection it is.
    pub part: Part,
    /// Columns and their roles.
    pub schema: TableSchema,
    /// The metric that the source states, if it does.
    pub metric: Option<Metric>,
    /// Rows that the source announces.
    pub rows: u64,
}

/// What a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameOf {
    /// A collection.
    Collection,
    /// A partition.
    Partition,
}

/// A name that the source gives, and that a sink can't have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedName {
    /// What it is of.
    pub of: NameOf,
    /// The name.
    pub name: String,
    /// The nearest name that the sink takes, also with `_` and a number behind it.
    pub instead: String,
    /// The sink's own setting for such a name.
    pub setting: &'static str,
    /// Which names it takes, in words.
    pub rule: &'static str,
}

/// What happens to the target of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It does not exist yet and is created.
    Create,
    /// It exists and rows are added.
    Append,
    /// It exists and is left alone; nothing moves.
    Skip,
    /// It exists and is replaced.
    Overwrite,
}

impl Decision {
    /// What is done to the target, as `to …` has it.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Decision::Create => "create it",
            Decision::Append => "append to it",
            Decision::Skip => "leave it alone",
            Decision::Overwrite => "overwrite it",
        }
    }
}

/// What a sink would do with one table; nothing has been changed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetPlan {
    /// The target by name, for people: `collection test, partition p1`.
    pub target: String,
    /// What happens to it.
    pub decision: Decision,
    /// Rows that it holds now, where that can be told.
    pub rows_before: Option<u64>,
    /// What the user should know: the index that will be made, a renamed column.
    pub notes: Vec<String>,
    /// How ids that occur twice, or that the target holds, are treated.
    pub ids: IdRules,
    /// Which rows it takes. Others never come to its writers.
    #[serde(default)]
    pub rows: RowRules,
    /// Where the rows wait until they are published; none where they are in the target as soon as
    /// they are written, or completed.
    pub publish: Option<Publish>,
}

/// Rows that wait elsewhere until all that belongs to them is complete and verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// What is published, at once, together with all other targets that say the same.
    pub what: String,
    /// Where the rows wait, for people: `collection test_vecpipe_new`.
    pub from: String,
    /// What the sink tells them from another run's by, which a run that goes on with this one takes
    /// over.
    pub run: String,
}

/// A sink's rules for ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IdRules {
    /// Refuse a table in which an id occurs more than once.
    pub unique: bool,
    /// Refuse the table when the target holds any of its ids already
    /// ([`Sink::existing_ids`] is asked before anything is written).
    pub absent: bool,
}

/// What became of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Rows that the target acknowledged.
    pub rows: u64,
    /// Rows left out because the target held their id.
    pub skipped: u64,
    /// Of `rows`, those that took the place of one that the target held.
    pub replaced: u64,
    /// Of `skipped` and `replaced`, those that an interrupted run may have written itself
    /// ([`SplitWriter::repeat`]).
    pub uncertain: u64,
}

/// Something that a run made at a target, and did not come to put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// What it is, for people: `collection test_vecpipe_new_…`.
    pub what: String,
    /// What the sink knows it by.
    pub name: String,
    /// The run that made it; none for what names none.
    pub run: Option<String>,
    /// Rows in it, where that can be told.
    pub rows: Option<u64>,
}

/// How much a sink sends at once now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteLoad {
    /// Requests that may be on their way.
    pub writes: usize,
    /// Bytes of the largest one.
    pub request_bytes: usize,
}

/// What the target holds when a table is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Completion {
    /// Rows that it held before the first write, counted the same way; 0 for a new target.
    pub rows_before: u64,
    /// Rows that it holds now, as the target itself counts them.
    pub rows_after: u64,
}

/// The smallest thing that stays in a target when the program is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// Each row that was acknowledged. Rows of a write that was cut off may be there or not, and
    /// come again by [`SplitWriter::repeat`].
    Rows,
    /// Each split that was finished; of any other nothing.
    Splits,
}

/// Whether a target has been prepared before.
#[derive(Debug, Clone)]
pub enum Start {
    /// By no run of this plan.
    Fresh,
    /// Perhaps: a run was cut off before it wrote a row, or was told that it may. What it made
    /// may be there.
    Again,
    /// It has, and rows may be there.
    GoOn(Earlier),
}

/// What an interrupted run left of one target.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    /// What [`TableWriter::memo`] gave then.
    pub memo: serde_json::Value,
    /// How far each split of the target is.
    pub splits: Vec<EarlierSplit>,
}

/// How far an interrupted run came with one split.
#[derive(Debug, Clone, Copy)]
pub struct EarlierSplit {
    /// Rows of the target's splits before it.
    pub first_row: u64,
    /// Rows in it.
    pub rows: u64,
    /// How far it is.
    pub progress: SplitProgress,
    /// What [`SplitWriter::finish`] gave then.
    pub receipt: Option<Receipt>,
}

/// What a finished split is known by: only what has these is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Bytes that it takes.
    pub bytes: u64,
    /// The checksum of its rows, where one is defined for its columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
}

impl Earlier {
    /// Rows that were sent, and of which nobody knows whether the target has them.
    pub fn rows_in_doubt(&self) -> u64 {
        let splits = self.splits.iter().map(|split| split.progress);
        splits.filter(|s| !s.finished).map(|s| s.sent.saturating_sub(s.settled)).sum()
    }

    /// Reads [`memo`](Self::memo) back as the sink's own type.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) when another sink wrote it.
    pub fn memo<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.memo).map_err(|error| {
            Error::internal("The journal's notes on a target are not this sink's").because(error)
        })
    }
}

/// A place that rows go to.
#[async_trait]
pub trait Sink: Send + Sync {
    /// The config key of this kind of sink.
    fn kind(&self) -> &'static str;

    /// What the sink's own settings make of the rows of each of `tables`: transforms that follow the
    /// pipeline's. Asked for all tables at once, before anything else, so that one error can tell
    /// all that is wrong with these settings; changes nothing.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) when they don't fit the tables, and when the
    /// target can't be asked.
    async fn transforms(
        &self,
        tables: &[TableToWrite],
    ) -> Result<Vec<Vec<Box<dyn TransformFactory>>>> {
        Ok(tables.iter().map(|_| Vec::new()).collect())
    }

    /// Works from now on for the run with this id, by which what it makes at its targets is known;
    /// what the runs `ended` made is its own to replace. Called once, before anything else; without
    /// it, the sink works for a run of its own.
    fn set_run(&self, _run: &str, _ended: &[String]) {}

    /// Where the target of a table is marked as this run's: at every place that the run changes and
    /// that another one could change at the same time. Changes nothing.
    ///
    /// # Errors
    /// When the target can't be asked.
    async fn marks(&self, _: &TableToWrite) -> Result<Vec<Arc<dyn MarkStore>>> {
        Ok(Vec::new())
    }

    /// What runs left at the target of a table, at work or not. Changes nothing.
    ///
    /// # Errors
    /// When the target can't be asked.
    async fn leftovers(&self, _: &TableToWrite) -> Result<Vec<Leftover>> {
        Ok(Vec::new())
    }

    /// Removes something that [`leftovers`](Self::leftovers) found, or finishes what a run had begun to
    /// put in place. Called only while the target is marked, so that no run is at work there.
    ///
    /// # Errors
    /// When the target refuses.
    async fn clear(&self, _: &TableToWrite, _: &Leftover) -> Result<()> {
        Ok(())
    }

    /// Learns of the marks of its targets: what is tried again for long asks before each attempt
    /// whether they are still the run's ([`Hold::confirm`]).
    fn set_hold(&self, _: &Hold) {}

    /// Looks whether anything may be written there at all. Called once before a new run does anything
    /// else: making the source ready may take long. Changes nothing.
    ///
    /// # Errors
    /// When nothing may.
    async fn check(&self) -> Result<()> {
        Ok(())
    }

    /// The names of a table's target that come from the source and that the sink can't have. Asked
    /// for all tables before the first is planned.
    fn refused_names(&self, _: &TableToWrite) -> Vec<RefusedName> {
        Vec::new()
    }

    /// Looks at the target and says what would happen. Changes nothing.
    ///
    /// # Errors
    /// When the target can't be reached, or can't take the table as it is.
    async fn plan(&self, table: &TableToWrite) -> Result<TargetPlan>;

    /// Returns everything that moving `table` as planned would change or remove, as far as it exists,
    /// however the user spelled it: nothing of it may be read. Empty for targets that no source can
    /// read. Asked also of a run that resumes. Changes nothing.
    ///
    /// # Errors
    /// When the target cannot be asked.
    async fn write_locations(
        &self,
        table: &TableToWrite,
        plan: &TargetPlan,
    ) -> Result<Vec<DataLocation>>;

    /// Which of `ids` (the id column of a batch) the target of `table` holds, at most one per id.
    /// Asked only where the plan's [`IdRules::absent`] is set.
    ///
    /// # Errors
    /// When the target can't be asked; always, unless a sink that sets the rule offers a look.
    async fn existing_ids(&self, _: &TableToWrite, _: &ArrayRef) -> Result<ArrayRef> {
        Err(Error::internal(format!("The sink {} can't look up ids", self.kind())))
    }

    /// Learns, before any target is prepared, what an interrupted run noted of the targets that it
    /// had prepared ([`TableWriter::memo`]): a collection that it made is nobody else's.
    async fn resume(&self, _memos: &[&serde_json::Value]) {}

    /// True when the target gives rows ids of its own, so that those of the source are left behind:
    /// they may be what they are, and rows can't be compared by them.
    fn gives_ids(&self) -> bool {
        false
    }

    /// Bytes of rows that a batch should have, where memory allows and the source likes none larger.
    fn batch_bytes(&self) -> u64 {
        BATCH_BYTES
    }

    /// What stays when the program is killed.
    fn granularity(&self) -> Granularity;

    /// Which of the splits that an interrupted run finished are still there, one answer a split of
    /// `earlier`. Changes nothing. The others are written again, from their first row on.
    ///
    /// # Errors
    /// When the target can't be looked at.
    async fn kept(&self, _: &TableToWrite, _: &TargetPlan, earlier: &Earlier) -> Result<Vec<bool>> {
        Ok(vec![true; earlier.splits.len()])
    }

    /// Does what the plan said: creates, drops, leaves alone. Not called for
    /// [`Decision::Skip`]. With [`Start::GoOn`] it has been done, and the target is opened as the
    /// interrupted run left it.
    ///
    /// # Errors
    /// When the target refuses.
    async fn prepare(
        &self,
        table: &TableToWrite,
        plan: &TargetPlan,
        start: &Start,
        meter: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>>;

    /// Puts in place what was prepared, filled and completed beside what it replaces. Called once
    /// for each [`Publish::what`], when all its targets are complete and verified; `rows` is what
    /// they held then, together.
    ///
    /// # Errors
    /// When the target refuses; what was there before is then still there, or the next run sets
    /// it right.
    async fn publish(&self, _what: &str, _rows: u64) -> Result<()> {
        Ok(())
    }

    /// How the rows of the target of `table` are read back, to be compared with the source's.
    /// Changes nothing, but for what is loaded to be asked and released again by
    /// [`close`](Self::close).
    ///
    /// # Errors
    /// When the target can't be looked at, or can't give its rows back as it is.
    async fn read_back(&self, table: &TableToWrite) -> Result<ReadBack>;

    /// The same of rows that wait until they are published ([`TargetPlan::publish`]). They may have
    /// been published by a run that was cut off just then.
    ///
    /// # Errors
    /// As [`read_back`](Self::read_back); always, unless a sink that publishes offers a look.
    async fn read_back_waiting(&self, _: &TableToWrite) -> Result<ReadBack> {
        Err(Error::internal(format!("The sink {} can't read back rows that wait", self.kind())))
    }

    /// How much it sends at once now; none where that does not depend on the target.
    fn write_load(&self) -> Option<WriteLoad> {
        None
    }

    /// Called once at the very end, however the plan or run ended: gives back what was taken only
    /// to look, for example a collection that was loaded to be asked for ids.
    async fn close(&self) {}
}

/// An open target table. Splits are written at the same time, each by its own writer.
#[async_trait]
pub trait TableWriter: Send + Sync {
    /// What a run that goes on with the target has to know of it; kept in the journal before the
    /// first row is written. No secrets.
    fn memo(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// True when it sends one split at a time, and can tell what became of rows in doubt only as long as
    /// they are of one split: then no rows of further splits are noted as sent before they are.
    fn one_at_a_time(&self) -> bool {
        false
    }

    /// Opens a writer for one split. Where single rows count ([`Granularity::Rows`]), the first
    /// batch may begin at any row of it.
    ///
    /// # Errors
    /// When the target refuses.
    async fn open_split(&self, split: &Split) -> Result<Box<dyn SplitWriter>>;

    /// Called once all splits are finished: flushes, makes indexes, renames into place, and counts.
    ///
    /// # Errors
    /// When the target can't complete the table.
    async fn complete(&self) -> Result<Completion>;

    /// Counts the rows of a complete target again; `None` for a target whose count never lags behind what it
    /// acknowledged. Called where the count was too low, until it is not, for some seconds.
    ///
    /// # Errors
    /// When the target can't be asked.
    async fn count_again(&self) -> Result<Option<u64>> {
        Ok(None)
    }
}

/// Writes the batches of one split, in order.
#[async_trait]
pub trait SplitWriter: Send {
    /// Writes one batch. A server's sink returns when the server has acknowledged the rows; a
    /// file's sink when they are in the file, which counts once [`finish`](Self::finish) is done.
    /// The batch and its memory permit are gone when this returns.
    ///
    /// # Errors
    /// When the target refuses or the outcome is unknown.
    async fn write(&mut self, batch: Batch) -> Result<Written>;

    /// Writes a batch that an interrupted run may have written: all of its rows, some, or none. No
    /// row may be there twice afterwards.
    ///
    /// # Errors
    /// As [`write`](Self::write); and when the target can't tell what is there.
    async fn repeat(&mut self, batch: Batch) -> Result<Written> {
        Err(Error::internal("Rows can't be written again one by one").at(&batch.place))
    }

    /// Ends the split: what was written is durable when this returns. Gives what the split is known
    /// by when the run is resumed; nothing where single rows count.
    ///
    /// # Errors
    /// When the target can't make it durable.
    async fn finish(self: Box<Self>) -> Result<Option<Receipt>>;
}
