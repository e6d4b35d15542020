//! HDF5 files with a dataset of vectors, one of ids, and one for each other column.
//!
//! docs/formats/hdf5.md describes what lies on the disk.

mod columns;
mod dataset;
mod file;
mod h2m;
mod names;
mod pieces;
mod place;
mod read_back;
mod resume;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::columns::{Column, columns, rules};
use self::dataset::Storage;
use self::file::{TableFile, count_rows};
use self::names::Names;
use self::pieces::Pieces;
use self::place::{Unfinished, all_files, list_mark, look, not_listed, put_in_place, sweep_all};
use self::resume::Memo;
use self::table::{Open, Table};
use crate::error::{Error, Result};
use crate::flow::{Meter, blocking};
use crate::location::{DataLocation, PathLocation};
use crate::ownership::{FolderMarks, MarkStore, Owner, OwnerCell};
use crate::sink::files::names::folder_of;
use crate::sink::{
    Decision, Earlier, Granularity, IdRules, Leftover, Mode, ReadBack, Sink, SinkContext,
    SinkFactory, Start, TableToWrite, TableWriter, TargetPlan,
};
use crate::store::{Place, io_error, make_folder};
use crate::table::VectorType;

/// HDF5 files: `<dir>/<table>/<partition or _default>.h5`, and beside each a YAML that loads it
/// into Milvus.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder.
    pub dir: PathBuf,
    /// What happens to a table that is there already (default: overwrite).
    #[serde(default = "default_mode")]
    pub mode: Mode,
    /// Level of compression with gzip, 0 to 9; left out, nothing is compressed. One core compresses,
    /// whatever the parallelism.
    #[serde(default)]
    #[schemars(range(max = 9))]
    pub gzip: Option<u8>,
    /// Rows in a file at most; a larger table becomes `<partition>-00001.h5` and so on.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_rows_per_file: Option<u64>,
}

fn default_mode() -> Mode {
    Mode::Overwrite
}

impl SinkFactory for Config {
    fn build(&self, cx: &SinkContext) -> Result<Box<dyn Sink>> {
        if self.dir.as_os_str().is_empty() {
            return Err(Error::config("The HDF5 sink's `dir` is empty")
                .help("name the folder that the files go to"));
        }
        if let Some(level) = self.gzip.filter(|&level| level > 9) {
            return Err(Error::config(format!("sink.hdf5.gzip is {level}"))
                .help("levels go from 0, fast, to 9, small"));
        }
        if self.max_rows_per_file == Some(0) {
            return Err(Error::config("sink.hdf5.max_rows_per_file is 0")
                .help("leave it out to write one file for each table"));
        }
        let storage = Storage { gzip: self.gzip, writers: cx.parallelism };
        let owner = OwnerCell::default();
        Ok(Box::new(Hdf5 { config: self.clone(), storage, owner }))
    }

    fn place(&self) -> String {
        format!("hdf5 {:?}", self.dir)
    }
}

struct Hdf5 {
    config: Config,
    storage: Storage,
    owner: OwnerCell,
}

#[async_trait]
impl Sink for Hdf5 {
    fn kind(&self) -> &'static str {
        "hdf5"
    }

    fn set_run(&self, run: &str, ended: &[String]) {
        self.owner.set(run, ended);
    }

    async fn marks(&self, table: &TableToWrite) -> Result<Vec<Arc<dyn MarkStore>>> {
        let folder = self.names(table)?.folder().to_owned();
        Ok(vec![Arc::new(FolderMarks::of(Place::Local(folder)))])
    }

    async fn leftovers(&self, table: &TableToWrite) -> Result<Vec<Leftover>> {
        let names = self.names(table)?;
        blocking(move || place::leftovers(&names)).await
    }

    async fn clear(&self, table: &TableToWrite, leftover: &Leftover) -> Result<()> {
        let (names, leftover) = (self.names(table)?, leftover.clone());
        blocking(move || place::clear(&names, &leftover)).await
    }

    async fn plan(&self, table: &TableToWrite) -> Result<TargetPlan> {
        let names = self.names(table)?;
        let columns = columns(&table.schema)?;
        let rows = rules(&columns);
        let mut notes = Vec::new();
        if table.schema.column().vector_type == VectorType::Int8 {
            notes.push("the source hdf5 does not read int8 vectors back, h5py does".to_owned());
        }
        // Two tables with one target are refused by their targets' names.
        let target = names.path(&names.single()).display().to_string();
        let mode = self.config.mode;
        let (decision, rows_before) = blocking(move || decide(mode, &names, &columns)).await?;
        if decision == Decision::Append {
            notes.push("the files are written anew, the old rows first".to_owned());
        }
        let (rows_before, ids) = (Some(rows_before), IdRules::default());
        Ok(TargetPlan { target, decision, rows_before, notes, ids, rows, publish: None })
    }

    /// The table's files, finished or not. Those of other partitions lie in the same folder.
    async fn write_locations(
        &self,
        table: &TableToWrite,
        _: &TargetPlan,
    ) -> Result<Vec<DataLocation>> {
        let names = self.names(table)?;
        blocking(move || {
            let paths = all_files(&names)?;
            paths.iter().map(|path| PathLocation::resolve(path).map(DataLocation::Path)).collect()
        })
        .await
    }

    async fn read_back(&self, table: &TableToWrite) -> Result<ReadBack> {
        let (names, columns, table) = (self.names(table)?, columns(&table.schema)?, table.clone());
        blocking(move || read_back::read_back(&names, columns, table)).await
    }

    fn granularity(&self) -> Granularity {
        Granularity::Splits
    }

    async fn kept(
        &self,
        table: &TableToWrite,
        _: &TargetPlan,
        earlier: &Earlier,
    ) -> Result<Vec<bool>> {
        let (opening, earlier) = (self.opening(table)?, earlier.clone());
        blocking(move || opening.kept(&earlier)).await
    }

    async fn prepare(
        &self,
        table: &TableToWrite,
        plan: &TargetPlan,
        start: &Start,
        _: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>> {
        let (opening, decision, start) = (self.opening(table)?, plan.decision, start.clone());
        blocking(move || match start {
            Start::GoOn(earlier) => opening.go_on(decision, &earlier),
            Start::Fresh | Start::Again => opening.begin(decision),
        })
        .await
    }
}

impl Hdf5 {
    fn opening(&self, table: &TableToWrite) -> Result<Opening> {
        Ok(Opening {
            config: self.config.clone(),
            storage: self.storage,
            names: self.names(table)?,
            columns: columns(&table.schema)?,
            table: table.clone(),
            owner: self.owner.get().clone(),
        })
    }

    fn names(&self, table: &TableToWrite) -> Result<Names> {
        let dir = folder_of(&self.config.dir, table.database.as_deref())?;
        Names::of(&dir, &table.collection, table.part.partition(), &self.owner.get().run)
    }
}

/// What happens to the table, and the rows that it holds now. Reads only.
fn decide(mode: Mode, names: &Names, columns: &[Column]) -> Result<(Decision, u64)> {
    let content = look(names)?;
    if mode != Mode::Overwrite && !content.unlisted.is_empty() {
        return Err(not_listed(names, &content.unlisted));
    }
    if mode == Mode::Skip && content.half_renamed {
        return Err(Error::target("A run ended before all its files had their names")
            .at(names.coming_list().display())
            .help("a run with `mode: append` or `mode: overwrite` first gives them their names"));
    }
    let rows: Vec<Result<u64>> =
        content.paths(names).iter().map(|path| count_rows(path, columns)).collect();
    match (&content.listed, mode) {
        (None, _) if content.unlisted.is_empty() => Ok((Decision::Create, 0)),
        (Some(_), Mode::Append) => {
            let rows = rows.into_iter().try_fold(0, |sum, rows| Ok::<_, Error>(sum + rows?))?;
            Ok((Decision::Append, rows))
        }
        // Whatever these files are worth, they stay as they are or are about to go.
        (_, mode) => {
            let decision = if mode == Mode::Skip { Decision::Skip } else { Decision::Overwrite };
            Ok((decision, rows.into_iter().flatten().sum()))
        }
    }
}

/// All it takes to open a table.
struct Opening {
    config: Config,
    storage: Storage,
    names: Names,
    columns: Vec<Column>,
    table: TableToWrite,
    owner: Owner,
}

impl Opening {
    /// Does what was planned: finishes what an earlier run left, and writes the old rows again where
    /// new ones follow them.
    fn begin(self, decision: Decision) -> Result<Arc<dyn TableWriter>> {
        let (now, _) = decide(self.config.mode, &self.names, &self.columns)?;
        if now != decision || decision == Decision::Skip {
            return Err(Error::target("The target changed since the plan was made")
                .at(self.names.list().display())
                .help("make sure that nothing else writes there, then run again"));
        }
        self.begin_anew()
    }

    /// The same with the table as it is now, whatever was planned.
    fn begin_anew(self) -> Result<Arc<dyn TableWriter>> {
        let Opening { config, names, columns, .. } = &self;
        let (decision, rows_there) = decide(config.mode, names, columns)?;
        if decision == Decision::Skip {
            return Err(Error::target(
                "Another run has filled the table since, and `mode: skip` leaves it alone",
            )
            .at(names.list().display())
            .help("start again with --restart, which leaves it alone"));
        }
        make_folder(names.folder(), |path| std::fs::create_dir_all(path))
            .map_err(|error| io_error("create the folder", names.folder(), error))?;
        let content = look(names)?;
        if content.half_renamed {
            let theirs = names.of_run(content.run());
            put_in_place(&theirs, content.listed.as_deref().unwrap_or_default())?;
        }
        sweep_all(names, &self.owner)?;
        let rows_before = if decision == Decision::Append { rows_there } else { 0 };
        let memo = Memo { rows_before, old_list: list_mark(names)? };
        let pieces = self.pieces(&memo);
        self.open(decision, memo, pieces, BTreeMap::new())
    }

    /// The files, of which none has been made.
    fn pieces(&self, memo: &Memo) -> Pieces {
        let planned = memo.rows_before.saturating_add(self.table.rows);
        let (names, columns) = (self.names.clone(), self.columns.clone());
        Pieces::new(names, columns, self.storage, planned, self.config.max_rows_per_file)
    }

    /// Opens the table, of which these stretches are written already.
    fn open(
        self,
        decision: Decision,
        memo: Memo,
        pieces: Pieces,
        mut filled: BTreeMap<u64, u64>,
    ) -> Result<Arc<dyn TableWriter>> {
        let Opening { names, columns, table, .. } = self;
        let unfinished = Mutex::new(Some(Unfinished::of(&names)));
        let mut earlier = Vec::new();
        if decision == Decision::Append {
            let mut row = 0;
            let old = look(&names)?;
            earlier = old.runs;
            for name in old.listed.iter().flatten() {
                let old = TableFile::open(names.path(name), &columns, false)?;
                let rows = old.rows()?;
                pieces.copy(&old, 0, row, rows)?;
                row += rows;
            }
        }
        if memo.rows_before > 0 {
            filled.insert(0, memo.rows_before);
        }
        let filled = Mutex::new(filled);
        Ok(Arc::new(Table(Arc::new(Open {
            table,
            names,
            columns,
            pieces,
            unfinished,
            memo,
            earlier,
            filled,
        }))))
    }
}
