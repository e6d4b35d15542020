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
mod table;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::columns::{Column, columns};
use self::dataset::Storage;
use self::file::{TableFile, count_rows};
use self::names::Names;
use self::pieces::Pieces;
use self::place::{Unfinished, look, not_listed, put_in_place, sweep};
use self::table::{Open, Table};
use crate::error::{Error, Result};
use crate::flow::{Meter, blocking};
use crate::sink::files::disk::io_error;
use crate::sink::{
    Decision, IdRules, Mode, Sink, SinkContext, SinkFactory, TableToWrite, TableWriter, TargetPlan,
};
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
        Ok(Box::new(Hdf5 { config: self.clone(), storage }))
    }
}

struct Hdf5 {
    config: Config,
    storage: Storage,
}

#[async_trait]
impl Sink for Hdf5 {
    fn kind(&self) -> &'static str {
        "hdf5"
    }

    async fn plan(&self, table: &TableToWrite) -> Result<TargetPlan> {
        let names = self.names(table)?;
        let columns = columns(&table.schema)?;
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
        Ok(TargetPlan { target, decision, rows_before, notes, ids, publish: None })
    }

    fn after_cut_off(&self, _: &TargetPlan) -> &'static str {
        "The table is as it was; the next run removes the unfinished files and starts from the first row"
    }

    async fn prepare(
        &self,
        table: &TableToWrite,
        plan: &TargetPlan,
        _: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>> {
        let names = self.names(table)?;
        let (config, storage) = (self.config.clone(), self.storage);
        let (table, decision) = (table.clone(), plan.decision);
        let open = blocking(move || open(&config, storage, names, table, decision)).await?;
        Ok(Arc::new(Table(Arc::new(open))))
    }
}

impl Hdf5 {
    fn names(&self, table: &TableToWrite) -> Result<Names> {
        Names::of(&self.config.dir, &table.collection, table.part.partition())
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

/// Does what was planned: finishes what an earlier run left, and writes the old rows again where
/// new ones follow them.
fn open(
    config: &Config,
    storage: Storage,
    names: Names,
    table: TableToWrite,
    decision: Decision,
) -> Result<Open> {
    let columns = columns(&table.schema)?;
    let (now, rows_there) = decide(config.mode, &names, &columns)?;
    if now != decision || decision == Decision::Skip {
        return Err(Error::target("The target changed since the plan was made")
            .at(names.list().display())
            .help("make sure that nothing else writes there, then run again"));
    }
    std::fs::create_dir_all(names.folder())
        .map_err(|error| io_error("create the folder", names.folder(), error))?;
    let content = look(&names)?;
    if content.half_renamed {
        put_in_place(&names, content.listed.as_deref().unwrap_or_default())?;
    }
    sweep(&names)?;
    let unfinished = Unfinished::of(&names);
    let rows_before = if decision == Decision::Append { rows_there } else { 0 };
    let planned = rows_before.saturating_add(table.rows);
    let pieces =
        Pieces::new(names.clone(), columns.clone(), storage, planned, config.max_rows_per_file);
    if decision == Decision::Append {
        let mut row = 0;
        for name in content.listed.iter().flatten() {
            let old = TableFile::open(names.path(name), &columns, false)?;
            let rows = old.rows()?;
            pieces.copy(&old, 0, row, rows)?;
            row += rows;
        }
    }
    let filled = Mutex::new((rows_before > 0).then_some((0, rows_before)).into_iter().collect());
    let unfinished = Mutex::new(Some(unfinished));
    Ok(Open { table, names, columns, pieces, unfinished, rows_before, filled })
}
