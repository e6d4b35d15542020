//! Where rows come from. One file or folder per source; the registry below names them all.

use std::collections::BTreeSet;
use std::path::PathBuf;

use async_trait::async_trait;
use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::flow::{BATCH_BYTES, BatchStream, ReadContext};
use crate::location::DataLocation;
use crate::registry::registry;
use crate::table::{Metric, Part, Split, TableSchema};

registry! {
    /// Where rows come from: exactly one kind.
    SourceConfig: SourceFactory;
    /// Faiss index files.
    faiss => Faiss,
    /// HDF5 files.
    hdf5 => Hdf5,
    /// A live Milvus 2.x server.
    milvus => Milvus,
    /// The data directory of a Milvus 0.10 or 1.x server.
    milvus1 => Milvus1,
    /// Parquet files.
    parquet => Parquet,
    /// Rows made up from a seed, for trying things out and for tests.
    synthetic => Synthetic,
}

mod choice;
mod cut;
mod files;
mod fingerprint;
mod input;
pub mod inspect;
pub(crate) mod locations;
mod map;
mod opened;
mod rows;
mod scatter;

pub use fingerprint::Fingerprint;
pub use input::External;

/// A source's configuration, which is also its factory.
pub trait SourceFactory {
    /// Makes the source. Checks what can be checked without touching files or servers.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) when the settings contradict each other.
    fn build(&self) -> Result<Box<dyn Source>>;

    /// Where rows come from, in a form that stays the same between two runs: the journal is found
    /// by it.
    fn place(&self) -> String;
}

/// A table as its source describes it.
#[derive(Debug, Clone)]
pub struct SourceTable {
    /// Name for people, reports and the journal; unique within the source.
    pub name: String,
    /// The database that its collection is in, where the source reads several.
    pub database: Option<String>,
    /// The collection this table would be, when the sink's config names none.
    pub collection: String,
    /// Which part of that collection it is.
    pub part: Part,
    /// How the user gives it another name, where the source offers that.
    pub renaming: Option<Renaming>,
    /// Columns and their roles.
    pub schema: TableSchema,
    /// The metric that the source states, if it does.
    pub metric: Option<Metric>,
    /// Rows in all splits.
    pub rows: u64,
    /// Roughly how many bytes reading all splits moves.
    pub bytes: u64,
    /// The parts, in source order. The same whatever the parallelism and the memory budget. None
    /// where rows can't be read before [`Source::ready`]; then the numbers are estimates.
    pub splits: Vec<Split>,
    /// What the user should know before anything moves, for example a changed type.
    pub notes: Vec<String>,
    /// What the user may not miss: rows that are not moved although they exist.
    pub warnings: Vec<String>,
}

impl SourceTable {
    /// The files that its splits lie in, as `files` finds them in a split's location.
    pub(crate) fn files<L, I>(&self, files: impl Fn(&L) -> I) -> Result<BTreeSet<PathBuf>>
    where
        L: DeserializeOwned,
        I: IntoIterator<Item = PathBuf>,
    {
        let mut all = BTreeSet::new();
        for split in &self.splits {
            all.extend(files(&split.location()?));
        }
        Ok(all)
    }
}

/// How the user gives a table another name: entries of a map in the source's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renaming {
    /// The map's key: `source.milvus1.rename`.
    pub setting: &'static str,
    /// Its entry for the collection.
    pub collection: String,
    /// Its entry for the partition; none where it has no name of its own.
    pub partition: Option<String>,
}

/// Which columns of a table are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// All of them, in the table's schema.
    All,
    /// The id column alone, which is cheap to read.
    Ids,
}

/// A place that rows come from.
#[async_trait]
pub trait Source: Send + Sync {
    /// The config key of this kind of source.
    fn kind(&self) -> &'static str;

    /// Makes the source ready to be read, where that takes more than opening it: a collection is
    /// loaded. Called before anything else by whoever will read rows, and not for a plan alone.
    ///
    /// # Errors
    /// Whatever keeps it from being made ready.
    async fn ready(&self) -> Result<()> {
        Ok(())
    }

    /// Looks whether tables that were read hold other rows by now, where reading them does not show that.
    /// Called once all rows have moved; takes as long as it needs. Returns what to say of which table, by its
    /// name.
    async fn changed_meanwhile(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Sets back what [`ready`](Self::ready) changed. Called once, however the run ended.
    async fn close(&self) {}

    /// An interrupted run is gone on with, which planned these splits of a table.
    ///
    /// # Errors
    /// When they are not of this source.
    fn resume(&self, _splits: &[Split]) -> Result<()> {
        Ok(())
    }

    /// Finds the tables. Called once per plan; reads no rows.
    ///
    /// # Errors
    /// Whatever keeps the source from being read as configured.
    async fn tables(&self) -> Result<Vec<SourceTable>>;

    /// Splits of which it is known without reading them that they hold bad rows
    /// ([`Outlet::send_marked`](crate::flow::Outlet::send_marked)), by their numbers. Where such rows
    /// stop a run, it stops before it changes anything.
    fn suspects(&self, _: &SourceTable) -> Vec<usize> {
        Vec::new()
    }

    /// What `table` is recognised by, without reading all of it: a run that goes on where another
    /// one stopped must find the same rows.
    ///
    /// # Errors
    /// Whatever keeps the source from being looked at.
    async fn fingerprint(&self, table: &SourceTable) -> Result<Fingerprint>;

    /// Returns what the rows of `table`, one of [`tables`](Self::tables), are read from, however the
    /// user spelled it: a run must not write there. Empty for rows that no run can write to. Reads no
    /// rows.
    ///
    /// # Errors
    /// When it cannot be identified.
    async fn read_locations(&self, table: &SourceTable) -> Result<Vec<DataLocation>>;

    /// That what was read of `split` is still in its file, as it was when the plan was made. A source
    /// whose batches are slices of mapped files is asked once their rows are written, and while that
    /// takes long: of a file that was cut off meanwhile, others may have been sent.
    ///
    /// # Errors
    /// When it is not.
    async fn still_there(&self, _split: &Split) -> Result<()> {
        Ok(())
    }

    /// Bytes of rows that a batch should have, where memory allows and no sink likes larger ones.
    fn batch_bytes(&self) -> u64 {
        BATCH_BYTES
    }

    /// Opens `split` from `from_row` on (0 is its first row; its row count is a valid start and
    /// yields nothing). The same rows in the same order each time, whatever the batch size and
    /// the columns.
    ///
    /// # Errors
    /// Whatever can be told without reading; errors of reading come through the stream.
    fn open(
        &self,
        table: &SourceTable,
        split: &Split,
        from_row: u64,
        columns: Columns,
        cx: &ReadContext,
    ) -> Result<BatchStream>;

    /// Why a split ended after `came` rows although the plan has more, where that is right: some
    /// are counted that can't be shown. `None`: it is not right.
    ///
    /// # Errors
    /// When the source can't be asked, or knows what is wrong.
    async fn fewer_rows(
        &self,
        _table: &SourceTable,
        _split: &Split,
        _came: u64,
    ) -> Result<Option<String>> {
        Ok(None)
    }
}
