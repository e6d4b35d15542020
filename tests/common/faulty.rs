//! A source and a transform that fail when so many rows have come, and a source of several tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::StreamExt;
use vecpipe::flow::{Batch, BatchStream, ReadContext};
use vecpipe::location::DataLocation;
use vecpipe::source::{Columns, Fingerprint, Source, SourceTable};
use vecpipe::table::{Split, TableSchema};
use vecpipe::transform::{SplitContext, Transform, TransformFactory};
use vecpipe::{Error, Result};

/// Fails once `rows` rows have come.
#[derive(Debug, Clone)]
pub struct Fuse {
    left: Arc<AtomicU64>,
    panics: bool,
}

impl Fuse {
    pub fn after(rows: u64, panics: bool) -> Fuse {
        Fuse { left: Arc::new(AtomicU64::new(rows)), panics }
    }

    fn pass(&self, rows: u64) -> Result<()> {
        let less = |left: u64| left.checked_sub(rows);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => Ok(()),
            Err(_) if self.panics => panic!("told to panic"),
            Err(_) => Err(Error::source("told to fail")),
        }
    }
}

/// A source whose stream fails.
pub struct FaultySource {
    pub inner: Box<dyn Source>,
    pub fuse: Fuse,
}

#[async_trait]
impl Source for FaultySource {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    async fn tables(&self) -> Result<Vec<SourceTable>> {
        self.inner.tables().await
    }

    async fn read_locations(&self, table: &SourceTable) -> Result<Vec<DataLocation>> {
        self.inner.read_locations(table).await
    }

    async fn fingerprint(&self, table: &SourceTable) -> Result<Fingerprint> {
        self.inner.fingerprint(table).await
    }

    fn open(
        &self,
        table: &SourceTable,
        split: &Split,
        from_row: u64,
        columns: Columns,
        cx: &ReadContext,
    ) -> Result<BatchStream> {
        let fuse = self.fuse.clone();
        // A look at ids alone is not what fails.
        let counts = columns == Columns::All;
        let batches = self.inner.open(table, split, from_row, columns, cx)?;
        Ok(Box::pin(batches.map(move |batch| {
            let batch = batch?;
            if counts {
                fuse.pass(batch.len())?;
            }
            Ok(batch)
        })))
    }
}

/// A transform that changes nothing, and fails.
pub struct FaultyTransform(pub Fuse);

impl TransformFactory for FaultyTransform {
    fn kind(&self) -> &'static str {
        "faulty"
    }

    fn plan(&self, input: &TableSchema) -> Result<Box<dyn Transform>> {
        Ok(Box::new(Planned { schema: input.clone(), fuse: self.0.clone() }))
    }
}

struct Planned {
    schema: TableSchema,
    fuse: Fuse,
}

impl Transform for Planned {
    fn output(&self) -> &TableSchema {
        &self.schema
    }

    fn apply(&self, batch: Batch, _: &SplitContext) -> Result<Batch> {
        self.fuse.pass(batch.len()).map(|()| batch)
    }
}

/// Sources as one, each with its first table, which has a name that no other one has.
pub struct Several(pub Vec<(String, Box<dyn Source>)>);

#[async_trait]
impl Source for Several {
    fn kind(&self) -> &'static str {
        "several"
    }

    async fn tables(&self) -> Result<Vec<SourceTable>> {
        let mut all = Vec::new();
        for (name, source) in &self.0 {
            let table = source.tables().await?.remove(0);
            all.push(SourceTable { name: name.clone(), collection: name.clone(), ..table });
        }
        Ok(all)
    }

    async fn read_locations(&self, table: &SourceTable) -> Result<Vec<DataLocation>> {
        let (_, source) = self.0.iter().find(|(name, _)| *name == table.name).expect("a table");
        source.read_locations(table).await
    }

    async fn fingerprint(&self, _: &SourceTable) -> Result<Fingerprint> {
        Ok(Fingerprint::of_settings())
    }

    fn open(
        &self,
        table: &SourceTable,
        split: &Split,
        from_row: u64,
        columns: Columns,
        cx: &ReadContext,
    ) -> Result<BatchStream> {
        let (_, source) = self.0.iter().find(|(name, _)| *name == table.name).expect("a table");
        source.open(table, split, from_row, columns, cx)
    }
}
