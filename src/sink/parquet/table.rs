//! An open table: its splits become parts, its completion makes them visible all at once.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};
use crate::flow::{Batch, blocking};
use crate::sink::parquet::folder::{Folder, Part, count_rows};
use crate::sink::parquet::manifest::{Manifest, PartFile, Partition, columns, now};
use crate::sink::parquet::part::{FinishedPart, PartWriter};
use crate::sink::parquet::resume::Memo;
use crate::sink::{Completion, SplitWriter, TableToWrite, TableWriter, Written};
use crate::table::Split;

/// What every writer of a table shares.
pub(super) struct Open {
    /// What is written.
    pub table: TableToWrite,
    /// Where it is written.
    pub folder: Folder,
    /// How it is encoded.
    pub properties: WriterProperties,
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
        PartWriter::create(&self.folder, number, schema, properties)
    }

    fn add(&self, part: FinishedPart) {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.insert(part.number, part.file);
    }

    /// Makes the new parts visible, then lists them, then removes what they replace: a reader of
    /// the manifest finds the old table or the new one, whole, whenever the program ends.
    fn complete(&self) -> Result<Completion> {
        let mut parts = self.finished.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if parts.is_empty() && self.memo.kept.is_empty() {
            // A table without rows still has a schema, and readers look for it in a file.
            let part = self.create_part(self.memo.first_part)?.finish()?;
            parts.insert(part.number, part.file);
        }
        let path = self.folder.path();
        for number in parts.keys() {
            path.show(&self.folder.finished(*number), &Part::Complete.name(*number))?;
        }
        path.make_durable()?;
        let files: Vec<_> = self.memo.kept.iter().cloned().chain(parts.into_values()).collect();
        let partition = self.partition(files)?;
        let rows_after = count_rows(&path, &partition)?;
        self.list(partition)?;
        for name in &self.memo.replaced {
            path.join(name).remove()?;
        }
        Ok(Completion { rows_before: self.memo.rows_before, rows_after })
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
        let _one_at_a_time = self.manifest_lock.lock().unwrap_or_else(PoisonError::into_inner);
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

    async fn finish(mut self: Box<Self>) -> Result<()> {
        let part = match mem::replace(&mut self.part, State::Broken) {
            State::Empty => return Ok(()),
            State::Writing(part) => part,
            State::Broken => return Err(self.broken()),
        };
        let open = Arc::clone(&self.open);
        blocking(move || {
            open.add(part.finish()?);
            Ok(())
        })
        .await
    }
}
