//! An open table: its splits become parts, its completion makes them visible all at once.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};
use crate::flow::{Batch, blocking};
use crate::sink::parquet::folder::{Folder, Part, count_rows, footer};
use crate::sink::parquet::manifest::{Manifest, PartFile, Partition, columns, now};
use crate::sink::parquet::part::{FinishedPart, PartWriter};
use crate::sink::parquet::resume::Memo;
use crate::sink::parquet::same_columns;
use crate::sink::{Completion, Receipt, SplitWriter, TableToWrite, TableWriter, Written};
use crate::store::Place;
use crate::table::Split;

/// What every writer of a table shares.
pub(super) struct Open {
    /// What is written.
    pub table: TableToWrite,
    /// Where it is written.
    pub folder: Folder,
    /// How it is encoded.
    pub properties: WriterProperties,
    /// The run that writes it, whose id its parts carry.
    pub run: String,
    /// True when what was there before goes.
    pub overwrites: bool,
    /// What was there before.
    pub memo: Memo,
    /// Held while a manifest is changed: partitions of one table share it.
    pub manifest_lock: Arc<Mutex<()>>,
    /// Parts that are finished, by number.
    pub finished: Mutex<BTreeMap<u64, PartFile>>,
}

/// The open table.
pub(super) struct Table(pub Arc<Open>);

#[async_trait]
impl TableWriter for Table {
    fn memo(&self) -> serde_json::Value {
        // Plain numbers and names, which always serialise.
        serde_json::to_value(&self.0.memo).unwrap_or_default()
    }

    async fn open_split(&self, split: &Split) -> Result<Box<dyn SplitWriter>> {
        let number = self.0.memo.first_part + u64::from(split.index);
        Ok(Box::new(Writer { open: Arc::clone(&self.0), number, part: State::Empty }))
    }

    async fn complete(&self) -> Result<Completion> {
        let open = Arc::clone(&self.0);
        blocking(move || open.complete()).await
    }
}

impl Open {
    fn create_part(&self, number: u64) -> Result<PartWriter> {
        let (schema, properties) = (&self.table.schema, self.properties.clone());
        PartWriter::create(&self.folder, (number, &self.run), schema, properties)
    }

    fn add(&self, part: FinishedPart) {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.insert(part.number, part.file);
    }

    /// Makes the new parts visible, then lists them, then removes what they replace: a reader of
    /// the manifest finds the old table or the new one, whole, whenever the program ends. What
    /// stays, and what goes, is what the manifest lists now.
    fn complete(&self) -> Result<Completion> {
        let mut parts = self.finished.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let _one_at_a_time = self.manifest_lock.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = self.folder.look()?.listed.map(|partition| partition.files);
        let others = listed.unwrap_or_default().into_iter().filter(|file| !self.is_own(&file.name));
        let (kept, replaced): (Vec<_>, Vec<_>) = others.partition(|_| !self.overwrites);
        if let Some(file) = kept.first() {
            // Another run may have put a table with other columns there.
            let there = footer(&self.folder.path().join(&file.name))?.schema;
            same_columns(&there, self.table.schema.arrow())
                .map_err(|error| error.at(self.folder.path()))?;
        }
        if parts.is_empty() && kept.is_empty() {
            // A table without rows still has a schema, and readers look for it in a file.
            let part = self.create_part(self.memo.first_part)?.finish()?;
            parts.insert(part.number, part.file);
        }
        let path = self.folder.path();
        for (number, file) in &parts {
            path.show(&self.folder.finished(*number, &self.run), &file.name)?;
        }
        path.make_durable()?;
        let rows_before = count_rows(&path, &kept)?;
        let rows_after = rows_before + self.count_own(&path, parts.values())?;
        let files: Vec<_> = kept.into_iter().chain(parts.into_values()).collect();
        self.list(self.partition(files)?)?;
        for file in &replaced {
            path.join(&file.name).remove()?;
        }
        if self.overwrites {
            // What no manifest listed would be taken for rows of the table by readers of all files.
            for part in self.folder.look()?.unlisted.iter().filter(|part| !self.is_own(&part.name))
            {
                path.join(&part.name).remove()?;
            }
        }
        Ok(Completion { rows_before, rows_after })
    }

    /// True for a part that this run wrote, by its name.
    fn is_own(&self, name: &str) -> bool {
        Part::parse(name).is_some_and(|part| part.run.as_deref() == Some(&self.run))
    }

    /// Rows of the parts of this run, as they lie there.
    fn count_own<'a>(
        &self,
        path: &Place,
        parts: impl Iterator<Item = &'a PartFile>,
    ) -> Result<u64> {
        let mut rows = 0;
        for file in parts {
            let place = path.join(&file.name);
            let there = footer(&place)?;
            let is_that = there.run.as_deref() == Some(&self.run)
                && (there.rows, there.bytes, there.checksum)
                    == (file.rows, file.bytes, file.checksum);
            if !is_that {
                return Err(Error::differ("A finished part is not the file that this run wrote")
                    .at(place)
                    .help("something else writes to this folder: make sure that it ends, then run again with --restart"));
            }
            rows += there.rows;
        }
        Ok(rows)
    }

    fn partition(&self, files: Vec<PartFile>) -> Result<Partition> {
        Ok(Partition {
            name: self.table.part.partition().map(str::to_owned),
            folder: self.folder.partition.clone(),
            source: self.table.name.clone(),
            metric: self.table.metric,
            created: now()?,
            rows: files.iter().map(|file| file.rows).sum(),
            schema: columns(&self.table.schema),
            files,
        })
    }

    fn list(&self, partition: Partition) -> Result<()> {
        let mut manifest = Manifest::new(&self.table.collection);
        if let Some(old) = Manifest::read(&self.folder.table)? {
            manifest.partitions = old.partitions;
        }
        manifest.put(partition);
        manifest.write(&self.folder.table)
    }
}

/// The writer of one split.
struct Writer {
    open: Arc<Open>,
    number: u64,
    part: State,
}

/// A split's part is made with the first row: a split of which a transform leaves nothing makes no
/// file.
enum State {
    Empty,
    Writing(Box<PartWriter>),
    /// A write failed, or was dropped before it ended: rows are missing.
    Broken,
}

impl Writer {
    fn broken(&self) -> Error {
        Error::internal("A part was used again after a failed write").at(&self.open.table.name)
    }
}

#[async_trait]
impl SplitWriter for Writer {
    async fn write(&mut self, batch: Batch) -> Result<Written> {
        let (open, number, rows) = (Arc::clone(&self.open), self.number, batch.len());
        let part = match mem::replace(&mut self.part, State::Broken) {
            State::Empty => None,
            State::Writing(part) => Some(part),
            State::Broken => return Err(self.broken()),
        };
        let part = blocking(move || {
            let mut part = match part {
                Some(part) => part,
                None => Box::new(open.create_part(number)?),
            };
            part.write(&batch.rows)?;
            Ok(part)
        })
        .await?;
        self.part = State::Writing(part);
        Ok(Written { rows, ..Written::default() })
    }

    async fn finish(mut self: Box<Self>) -> Result<Option<Receipt>> {
        let part = match mem::replace(&mut self.part, State::Broken) {
            State::Empty => return Ok(None),
            State::Writing(part) => part,
            State::Broken => return Err(self.broken()),
        };
        let open = Arc::clone(&self.open);
        blocking(move || {
            let part = part.finish()?;
            let PartFile { bytes, checksum, .. } = part.file;
            open.add(part);
            Ok(Some(Receipt { bytes, checksum }))
        })
        .await
    }
}
