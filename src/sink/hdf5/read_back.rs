//! The table as its list names it, with all columns: the source for HDF5 files reads ids and vectors
//! alone.

use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::columns::Column;
use super::file::TableFile;
use super::names::Names;
use super::place::look;
use crate::error::{Error, Result};
use crate::flow::{BatchStream, ReadContext};
use crate::location::DataLocation;
use crate::sink::{ReadBack, TableToWrite};
use crate::source::{Columns, Fingerprint, Source, SourceTable, locations};
use crate::table::{Place, Split};

/// Bytes of rows in a split, about.
const SPLIT_BYTES: usize = 32 << 20;

/// How the rows of a table are read back.
pub fn read_back(names: &Names, columns: Vec<Column>, table: TableToWrite) -> Result<ReadBack> {
    let content = look(names)?;
    if content.listed.is_none() {
        return Ok(ReadBack::Absent);
    }
    let paths = content.paths(names);
    if let Some(gone) = paths.iter().find(|path| !path.exists()) {
        return Err(Error::differ("A file of the target is gone").at(gone.display()));
    }
    Ok(ReadBack::Whole(Box::new(Files { paths, columns, table })))
}

/// The files of a table, as a source.
struct Files {
    paths: Vec<PathBuf>,
    columns: Vec<Column>,
    table: TableToWrite,
}

/// Where a split lies.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Location {
    /// Which of the files.
    file: usize,
    /// The split's first row in it.
    row: u64,
}

#[async_trait]
impl Source for Files {
    fn kind(&self) -> &'static str {
        "hdf5"
    }

    async fn tables(&self) -> Result<Vec<SourceTable>> {
        let row_bytes = self.table.schema.row_bytes();
        let step = (SPLIT_BYTES / row_bytes.max(1)).max(1) as u64;
        let mut splits = Vec::new();
        let mut first_row = 0;
        for (file, path) in self.paths.iter().enumerate() {
            let all = TableFile::open(path.clone(), &self.columns, false)?.rows()?;
            for row in (0..all).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
                let rows = step.min(all - row);
                splits.push(Split {
                    index: u32::try_from(splits.len()).unwrap_or(u32::MAX),
                    first_row,
                    rows,
                    bytes: rows.saturating_mul(row_bytes as u64),
                    location: Split::locate(&Location { file, row }),
                });
                first_row += rows;
            }
        }
        Ok(vec![SourceTable {
            database: None,
            name: self.table.name.clone(),
            collection: self.table.collection.clone(),
            part: self.table.part.clone(),
            schema: self.table.schema.clone(),
            metric: self.table.metric,
            rows: first_row,
            bytes: splits.iter().map(|split| split.bytes).sum(),
            splits,
            renaming: None,
            warnings: Vec::new(),
            notes: Vec::new(),
        }])
    }

    async fn fingerprint(&self, table: &SourceTable) -> Result<Fingerprint> {
        let paths = &self.paths;
        Fingerprint::of_files(table, |at: &Location| paths.get(at.file).cloned()).await
    }

    async fn read_locations(&self, table: &SourceTable) -> Result<Vec<DataLocation>> {
        let paths = &self.paths;
        locations::of_files(table, |at: &Location| paths.get(at.file).cloned()).await
    }

    fn open(
        &self,
        table: &SourceTable,
        split: &Split,
        from_row: u64,
        _: Columns,
        cx: &ReadContext,
    ) -> Result<BatchStream> {
        let at: Location = split.location()?;
        let path = self.paths.get(at.file).cloned().unwrap_or_default();
        let (columns, schema) = (self.columns.clone(), table.schema.clone());
        let rows_at_once = cx.batch_size.rows_of(schema.row_bytes());
        let (mut row, end) = (at.row + from_row, at.row + split.rows);
        Ok(cx.spawn_blocking(Place::of(&table.name, split, from_row), move |outlet| {
            let file = TableFile::open(path, &columns, false)?;
            while row < end {
                let rows = rows_at_once.min(usize::try_from(end - row).unwrap_or(usize::MAX));
                let permit = outlet.reserve(rows.saturating_mul(schema.row_bytes()))?;
                outlet.send(file.read(row, rows, schema.arrow())?, permit)?;
                row += rows as u64;
            }
            Ok(())
        }))
    }
}
