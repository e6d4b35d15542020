//! Parquet files in a folder, one sub-folder per table and partition.
//!
//! docs/formats/parquet.md describes what lies on the disk.

pub mod dump;
mod error;
mod folder;
pub mod manifest;
mod part;
pub mod properties;
mod read_back;
mod resume;
pub mod sums;
mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{Field, SchemaRef};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::flow::{LARGE_BATCH_BYTES, Meter, blocking};
use crate::location::DataLocation;
use crate::ownership::{FolderMarks, MarkStore, Owner, OwnerCell};
use crate::sink::files::names::{MANIFEST, encode};
use crate::sink::{
    Decision, Earlier, Granularity, IdRules, Leftover, Mode, Publish, ReadBack, Sink, SinkContext,
    SinkFactory, Start, TableToWrite, TableWriter, TargetPlan,
};
use crate::store::{Place, Storage, Stores};
use crate::table::RowRules;
use crate::words::count;
use dump::{Dump, Dumped};
use folder::{Content, Folder, Part, PartName, count_rows, footer};
use manifest::Manifest;
use resume::Memo;

/// Parquet files: `<dir>/<table>/<partition or _default>/part-*.parquet` and a `manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder; or a place in an object store, like `s3://bucket/folder`.
    pub dir: String,
    /// What happens to a table that is there already (default: overwrite).
    #[serde(default = "default_mode")]
    pub mode: Mode,
    /// How the files are compressed (default: zstd).
    #[serde(default)]
    pub compression: Compression,
    /// True to make a dump: when all tables are there and counted, a `manifest.json` in `dir` lists
    /// them. Each run needs a folder of its own.
    #[serde(default)]
    pub dump: bool,
    /// Options of the object store that `dir` is in, like `aws_region`, beside what the environment
    /// says (`AWS_…`, `GOOGLE_…`, `AZURE_…`).
    #[serde(default, skip_serializing_if = "Storage::is_empty")]
    pub storage: Storage,
}

/// What all tables of a dump are published as.
const DUMP: &str = "dump";

fn default_mode() -> Mode {
    Mode::Overwrite
}

/// How Parquet files are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Zstandard, level 1.
    #[default]
    Zstd,
    /// Snappy.
    Snappy,
    /// Not at all.
    None,
}

impl SinkFactory for Config {
    fn build(&self, _: &SinkContext) -> Result<Box<dyn Sink>> {
        if self.dir.is_empty() {
            return Err(Error::config("The Parquet sink's `dir` is empty")
                .help("name the folder that the files go to"));
        }
        if self.dump && self.mode != Mode::Overwrite {
            return Err(Error::config(
                "A dump adds to nothing: `mode` and `dump` exclude each other",
            )
            .help("leave out sink.parquet.mode"));
        }
        let stores = Stores::new(self.storage.clone());
        stores.check("the Parquet sink's `dir`", &[&self.dir])?;
        Ok(Box::new(Parquet {
            config: self.clone(),
            dir: stores.place(&self.dir)?,
            manifest_lock: Arc::default(),
            dumped: Mutex::default(),
            owner: OwnerCell::default(),
        }))
    }

    fn place(&self) -> String {
        format!("parquet {:?}", self.dir)
    }
}

struct Parquet {
    config: Config,
    dir: Place,
    manifest_lock: Arc<Mutex<()>>,
    /// The tables of the dump that is made.
    dumped: Mutex<Vec<Dumped>>,
    /// The run that writes.
    owner: OwnerCell,
}

#[async_trait]
impl Sink for Parquet {
    fn kind(&self) -> &'static str {
        "parquet"
    }

    fn set_run(&self, run: &str, ended: &[String]) {
        self.owner.set(run, ended);
    }

    async fn marks(&self, table: &TableToWrite) -> Result<Vec<Arc<dyn MarkStore>>> {
        let mut marks: Vec<Arc<dyn MarkStore>> =
            vec![Arc::new(FolderMarks::of(self.folder(table)?.table))];
        if self.config.dump {
            marks.push(Arc::new(FolderMarks::of(self.dir.clone())));
        }
        Ok(marks)
    }

    async fn leftovers(&self, table: &TableToWrite) -> Result<Vec<Leftover>> {
        let folder = self.folder(table)?;
        blocking(move || leftovers(&folder)).await
    }

    async fn clear(&self, table: &TableToWrite, leftover: &Leftover) -> Result<()> {
        let part = self.folder(table)?.path().join(&leftover.name);
        blocking(move || part.remove()).await
    }

    async fn check(&self) -> Result<()> {
        let dir = self.dir.clone();
        blocking(move || refuse_other_dump(&dir, None)).await
    }

    async fn plan(&self, table: &TableToWrite) -> Result<TargetPlan> {
        let folder = self.folder(table)?;
        let target = folder.path().to_string();
        let (mode, schema) = (self.config.mode, Arc::clone(table.schema.arrow()));
        let (dir, owner) = (self.dir.clone(), self.owner.get().clone());
        let ((decision, rows_before), there) =
            blocking(move || Ok((decide(mode, &folder, &schema, &owner)?, Dump::read(&dir)?)))
                .await?;
        let note = |_| "there is a dump in this folder already: no run writes to it".to_owned();
        let notes = there.map(note).into_iter().collect();
        Ok(TargetPlan {
            target,
            decision,
            rows_before: Some(rows_before),
            notes,
            ids: IdRules::default(),
            rows: RowRules::default(),
            publish: self.config.dump.then(|| Publish {
                what: DUMP.to_owned(),
                from: format!("folder {}, which has no {MANIFEST} yet", self.dir),
                run: self.owner.get().run.clone(),
            }),
        })
    }

    async fn write_locations(
        &self,
        table: &TableToWrite,
        _: &TargetPlan,
    ) -> Result<Vec<DataLocation>> {
        // The manifest of a dump says of the whole folder what is read from there.
        let dump = self.config.dump.then(|| self.dir.clone());
        let folder = self.folder(table)?.path();
        blocking(move || {
            let mut all = vec![folder.location()?];
            all.extend(dump.map(|dir| dir.location()).transpose()?);
            // Files by hard links of other folders.
            if matches!(folder, Place::Local(_)) {
                for entry in folder.entries()?.iter().filter(|entry| !entry.is_folder) {
                    all.push(folder.join(&entry.name).location()?);
                }
            }
            Ok(all)
        })
        .await
    }

    async fn publish(&self, _: &str, rows: u64) -> Result<()> {
        let dumped = self.dumped.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (dir, run) = (self.dir.clone(), self.owner.get().run.clone());
        blocking(move || {
            refuse_other_dump(&dir, Some(&run))?;
            let dump = Dump::of(&dumped, &run)?;
            if dump.rows != rows {
                return Err(Error::differ(format!(
                    "{} rows were written, their manifests list {}",
                    count(rows),
                    count(dump.rows)
                ))
                .at(dir));
            }
            dump.write(&dir)?;
            tracing::info!("The dump is complete: {}", dir.join(MANIFEST));
            Ok(())
        })
        .await
    }

    async fn read_back_waiting(&self, table: &TableToWrite) -> Result<ReadBack> {
        self.read_back(table).await
    }

    async fn read_back(&self, table: &TableToWrite) -> Result<ReadBack> {
        let folder = self.folder(table)?;
        let storage = self.config.storage.clone();
        blocking(move || read_back::read_back(&folder, storage)).await
    }

    fn batch_bytes(&self) -> u64 {
        LARGE_BATCH_BYTES
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
        let (folder, earlier) = (self.folder(table)?, earlier.clone());
        let run = self.owner.get().run.clone();
        blocking(move || {
            let parts = resume::finished_parts(&folder, &run, &earlier)?;
            Ok(parts.into_iter().map(|part| part.is_some()).collect())
        })
        .await
    }

    async fn prepare(
        &self,
        table: &TableToWrite,
        plan: &TargetPlan,
        start: &Start,
        _: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>> {
        let folder = self.folder(table)?;
        let owner = self.owner.get().clone();
        if self.config.dump {
            let (dir, run) = (self.dir.clone(), owner.run.clone());
            blocking(move || refuse_other_dump(&dir, Some(&run))).await?;
        } else {
            let dir = self.dir.clone();
            blocking(move || refuse_other_dump(&dir, None)).await?;
        }
        let dumped = Dumped { folder: folder.clone(), table: table.clone() };
        self.dumped.lock().unwrap_or_else(PoisonError::into_inner).push(dumped);
        let properties = properties::properties(table, self.config.compression)
            .map_err(|error| Error::target("Parquet can't hold these columns").because(error))?;
        let (mode, table, decision) = (self.config.mode, table.clone(), plan.decision);
        let manifest_lock = Arc::clone(&self.manifest_lock);
        let earlier = match start {
            Start::GoOn(earlier) => Some(earlier.clone()),
            Start::Fresh | Start::Again => None,
        };
        let open = blocking(move || {
            // By the mode, and not by what stood there when the run was planned: another run may
            // have filled the table since.
            let overwrites = mode == Mode::Overwrite;
            let opened = |folder, memo, finished| table::Open {
                table: table.clone(),
                folder,
                properties,
                run: owner.run.clone(),
                overwrites,
                memo,
                manifest_lock: Arc::clone(&manifest_lock),
                finished: Mutex::new(finished),
            };
            if let Some(earlier) = earlier {
                refuse_foreign(mode, &folder, &owner)?;
                let (memo, finished) = resume::go_on(&folder, &owner.run, &earlier)?;
                return Ok(opened(folder, memo, finished));
            }
            let (now, _) = decide(mode, &folder, table.schema.arrow(), &owner)?;
            if now != decision || decision == Decision::Skip {
                return Err(Error::target("The target changed since the plan was made")
                    .at(folder.path())
                    .help("make sure that nothing else writes there, then run again"));
            }
            let path = folder.path();
            path.make_folder()?;
            {
                // From now on what counts is what a manifest lists: parts that become visible just
                // before a crash are not taken for the table.
                let _one_at_a_time = manifest_lock.lock().unwrap_or_else(PoisonError::into_inner);
                if Manifest::read(&folder.table)?.is_none() {
                    Manifest::new(&table.collection).write(&folder.table)?;
                }
            }
            // Of an attempt that was interrupted before its first note, too.
            resume::sweep(&folder, &owner)?;
            let memo = Memo { first_part: folder.look()?.next_part };
            Ok(opened(folder, memo, BTreeMap::new()))
        })
        .await?;
        Ok(Arc::new(table::Table(Arc::new(open))))
    }
}

impl Parquet {
    fn folder(&self, table: &TableToWrite) -> Result<Folder> {
        let dir = match &table.database {
            Some(database) => self.dir.join(&encode(database)?),
            None => self.dir.clone(),
        };
        Folder::of(&dir, &table.collection, table.part.partition())
    }
}

/// Refuses a folder that holds a dump, but for that of `run`, which may have been cut off just when it was
/// complete: what a dump lists must stay as it is.
fn refuse_other_dump(dir: &Place, run: Option<&str>) -> Result<()> {
    match Dump::read(dir)? {
        Some(dump) if run != Some(dump.run.as_str()) => {
            Err(Error::config("There is a dump in this folder already")
                .at(format!("{dir}, complete since {}", dump.created))
                .help("name another folder, or remove this one"))
        }
        _ => Ok(()),
    }
}

/// What happens to the partition, and the rows that it holds now. Reads only.
fn decide(
    mode: Mode,
    folder: &Folder,
    schema: &SchemaRef,
    owner: &Owner,
) -> Result<(Decision, u64)> {
    let path = folder.path();
    let Content { listed, has_manifest, mut unlisted, .. } = folder.look()?;
    // Where the manifest decides, others say nothing; and its own are about to go.
    let decides = has_manifest && folder.manifest_decides();
    let own = |part: &PartName| part.run.as_ref() == Some(&owner.run);
    unlisted.retain(|part| !decides && !own(part));
    if let (Some(first), true) = (unlisted.first(), mode != Mode::Overwrite) {
        return Err(Error::target(format!(
            "{} files, {} for one, are parts that no manifest lists",
            unlisted.len(),
            first.name
        ))
        .at(&path)
        .help("an interrupted run may have left them, so they may be incomplete: `pipeline clean` lists and removes those of dead runs; or use `mode: overwrite`"));
    }
    match (listed, mode) {
        (None, Mode::Overwrite) if !unlisted.is_empty() => {
            // Whatever these files are worth, they are about to go.
            let rows = unlisted.iter().filter_map(|part| footer(&path.join(&part.name)).ok());
            Ok((Decision::Overwrite, rows.map(|footer| footer.rows).sum()))
        }
        (None, _) => Ok((Decision::Create, 0)),
        (Some(partition), Mode::Skip) => Ok((Decision::Skip, partition.rows)),
        (Some(partition), Mode::Overwrite) => Ok((Decision::Overwrite, partition.rows)),
        (Some(partition), Mode::Append) => {
            if let Some(file) = partition.files.first() {
                same_columns(&footer(&path.join(&file.name))?.schema, schema)
                    .map_err(|error| error.at(&path))?;
            }
            Ok((Decision::Append, count_rows(&path, &partition.files)?))
        }
    }
}

/// Refuses to add to a table that another run has filled since, where the mode is to leave tables alone.
fn refuse_foreign(mode: Mode, folder: &Folder, owner: &Owner) -> Result<()> {
    let listed = folder.look()?.listed.map(|partition| partition.files).unwrap_or_default();
    let own = |file: &manifest::PartFile| {
        Part::parse(&file.name).is_some_and(|part| part.run.is_some_and(|run| owner.run == run))
    };
    match mode == Mode::Skip && !listed.iter().all(own) {
        true => Err(Error::target(
            "Another run has filled the table since, and `mode: skip` leaves it alone",
        )
        .at(folder.path())
        .help("start again with --restart, which leaves it alone")),
        false => Ok(()),
    }
}

/// The parts in a folder that are not the table's.
fn leftovers(folder: &Folder) -> Result<Vec<Leftover>> {
    let Content { hidden, unlisted, .. } = folder.look()?;
    let leftover = |part: PartName| {
        let file = folder.path().join(&part.name);
        let rows = if part.state == Part::Writing { None } else { footer(&file).ok() };
        Leftover {
            what: format!("part {file}"),
            name: part.name,
            run: part.run,
            rows: rows.map(|footer| footer.rows),
        }
    };
    // A visible part that names no run may be anybody's.
    let unlisted = unlisted.into_iter().filter(|part| part.run.is_some());
    Ok(hidden.into_iter().chain(unlisted).map(leftover).collect())
}

fn same_columns(there: &SchemaRef, new: &SchemaRef) -> Result<()> {
    if there.fields() == new.fields() {
        return Ok(());
    }
    let words = |field: &Field| format!("{} {}", field.name(), field.data_type());
    let list = |schema: &SchemaRef| {
        schema.fields().iter().map(|field| words(field)).collect::<Vec<_>>().join(", ")
    };
    Err(Error::target(format!(
        "The table there has the columns ({}), the new rows have ({})",
        list(there),
        list(new)
    ))
    .help("use `mode: overwrite`, or transforms (`rename`, `cast`, `select`) that make them alike"))
}
