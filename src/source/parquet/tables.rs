//! From files to a table: its schema, rows and splits, read off the footers.

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::Length;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::milvus::v2::definition::DEFINITION;
use crate::sink::parquet::manifest::PartFile;
use crate::sink::parquet::properties::METRIC;
use crate::sink::parquet::sums::GroupSums;
use crate::source::SourceTable;
use crate::source::parquet::Config;
use crate::source::parquet::footer::{self, unreadable};
use crate::source::parquet::layout::Layout;
use crate::source::parquet::paths::{Found, FoundFile};
use crate::store::{Place, Reader};
use crate::table::{Metric, Split, TableSchema, VectorType};

/// Bytes of rows in a split, about.
const SPLIT_BYTES: u64 = 32 << 20;
/// Rows that are read at once to find one that tells how long vectors are.
const FIRST_ROWS: usize = 64;

/// Where a split lies.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Location {
    /// The file.
    pub path: String,
    /// What it was like when the plan was made, to notice when it was replaced.
    pub stamp: String,
    /// The first row group.
    pub first_group: usize,
    /// Number of row groups.
    pub groups: usize,
    /// Rows of the first row group that belong to splits before this one.
    pub skip: u64,
    /// The split's first row, counted from the start of the file.
    pub file_row: u64,
    /// True when, by the footer's counts, some vector of its row groups is null or of another length.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uneven: bool,
}

/// Reads the footers of a table's files.
///
/// # Errors
/// [`Kind::Source`](crate::error::Kind::Source) when a file can't be read, differs from the others
/// in its columns, or is not what its manifest says.
pub fn table(config: &Config, found: Found) -> Result<SourceTable> {
    let mut notes = found.notes;
    let mut metric = config.metric.or(found.metric);
    let mut first: Option<TableSchema> = None;
    let mut splits = Vec::new();
    let mut next_row = 0;
    for file in &found.files {
        let opened = OpenFile::open(config, file)?;
        for note in &opened.layout.notes {
            if !notes.contains(note) {
                notes.push(note.clone());
            }
        }
        if config.metric.is_none() {
            metric = same_metric(metric, &opened, &file.path)?;
        }
        let dim = first.as_ref().map(list_len_of);
        let Some(list_len) = opened.list_len.or(dim) else { continue };
        let schema = opened.layout.schema(list_len).map_err(|e| e.at(&file.path))?;
        let first = first.get_or_insert_with(|| schema.clone());
        if *first != schema {
            return Err(differing(first, &schema)
                .at(&file.path)
                .help(format!("the first file is {}", found.files[0].path)));
        }
        let uneven = opened.uneven(list_len).map_err(|error| error.at(&file.path))?;
        opened.split(&schema, &uneven, &mut next_row, &mut splits)?;
    }
    let Some(schema) = first else {
        return Err(Error::source("There are no rows, so the vectors' dimension can't be told")
            .at(&found.files[0].path)
            .help("give files with rows, or with a fixed-size list column"));
    };
    let schema = match found.definition {
        Some(definition) => schema.with_metadata(DEFINITION, definition.to_string())?,
        None => schema,
    };
    Ok(SourceTable {
        database: found.database,
        name: found.name,
        collection: found.collection,
        part: found.part,
        renaming: found.renaming,
        metric,
        rows: next_row,
        bytes: splits.iter().map(|split: &Split| split.bytes).sum(),
        schema,
        splits,
        notes,
        warnings: Vec::new(),
    })
}

/// Elements of a vector in `schema`.
pub fn list_len_of(schema: &TableSchema) -> usize {
    let column = schema.column();
    column.vector_type.list_len(column.dim)
}

fn same_metric(
    metric: Option<Metric>,
    file: &OpenFile<'_>,
    path: &Place,
) -> Result<Option<Metric>> {
    let notes = file.footer.metadata().file_metadata().key_value_metadata();
    let stated = notes.into_iter().flatten().find(|note| note.key == METRIC);
    let Some(stated) = stated.and_then(|note| note.value.as_ref()?.parse::<Metric>().ok()) else {
        return Ok(metric);
    };
    match metric {
        Some(other) if other != stated => Err(Error::source(format!(
            "The file states the metric {stated}, another one of the table states {other}"
        ))
        .at(path)
        .help("say which is right by `metric:`")),
        _ => Ok(Some(stated)),
    }
}

fn differing(first: &TableSchema, other: &TableSchema) -> Error {
    let words = |schema: &TableSchema| {
        let fields = schema.arrow().fields().iter();
        fields.map(|f| format!("{} {}", f.name(), f.data_type())).collect::<Vec<_>>().join(", ")
    };
    Error::source(format!(
        "The file has the columns ({}), the first file of the table has ({})",
        words(other),
        words(first)
    ))
}

/// A file while its table is made.
struct OpenFile<'a> {
    file: &'a FoundFile,
    handle: Reader,
    footer: ArrowReaderMetadata,
    layout: Layout,
    /// Elements of a vector; none in a file without rows whose lists may have any length.
    list_len: Option<usize>,
    /// True when each row group has a checksum.
    is_summed: bool,
}

impl<'a> OpenFile<'a> {
    fn open(config: &Config, file: &'a FoundFile) -> Result<Self> {
        let (handle, footer) = footer::open(&file.path)?;
        let place = |error: Error| error.at(&file.path);
        let layout = Layout::resolve(config, footer.schema()).map_err(place)?;
        let list_len = layout.list_len;
        let mut opened = OpenFile { file, handle, footer, list_len, layout, is_summed: false };
        let rows = row_counts(opened.meta()).map_err(place)?;
        opened.check(rows.iter().sum()).map_err(|error| {
            place(
                error.help("the file was changed or replaced; restore it, or remove the manifest"),
            )
        })?;
        if let (None, Some(group)) = (opened.list_len, rows.iter().position(|rows| *rows > 0)) {
            opened.list_len = Some(opened.first_length(group).map_err(place)?);
        }
        Ok(opened)
    }

    /// Compares the footer with what a manifest states.
    fn check(&mut self, rows: u64) -> Result<()> {
        let sums = GroupSums::of(self.meta())?;
        self.is_summed = sums.is_some();
        let Some(PartFile { rows: stated, bytes: stated_bytes, checksum, .. }) = &self.file.stated
        else {
            return Ok(());
        };
        let bytes = self.handle.len();
        if rows != *stated {
            return Err(Error::source(format!(
                "The file has {rows} rows, its manifest says {stated}"
            )));
        }
        match (checksum, sums.map(|sums| sums.total())) {
            (Some(stated), there) if there != Some(*stated) => Err(Error::source(format!(
                "The file's rows have {}, its manifest says {stated}",
                there.map_or("no checksum".to_owned(), |there| format!("the checksum {there}"))
            ))),
            _ if bytes != *stated_bytes => Err(Error::source(format!(
                "The file has {bytes} bytes, its manifest says {stated_bytes}"
            ))),
            _ => Ok(()),
        }
    }

    fn meta(&self) -> &ParquetMetaData {
        self.footer.metadata()
    }

    /// The vectors of one row group, a batch of `rows` at a time.
    fn vectors(&self, group: usize, rows: usize) -> Result<impl Iterator<Item = Result<ArrayRef>>> {
        let damaged = |error| unreadable(&self.handle, &self.file.path, error);
        let handle = self.handle.clone();
        let mask = ProjectionMask::roots(self.footer.parquet_schema(), [self.layout.vector]);
        let batches =
            ParquetRecordBatchReaderBuilder::new_with_metadata(handle, self.footer.clone())
                .with_row_groups(vec![group])
                .with_projection(mask)
                .with_batch_size(rows)
                .build()
                .map_err(|error| unreadable(&self.handle, &self.file.path, error))?;
        Ok(batches.map(move |batch| batch.map(|batch| batch.column(0).clone()).map_err(damaged)))
    }

    /// How many elements the first list of a row group has that has any.
    fn first_length(&self, group: usize) -> Result<usize> {
        for lists in self.vectors(group, FIRST_ROWS)? {
            let lists = lists?;
            let length = |row| match (lists.as_list_opt::<i32>(), lists.as_list_opt::<i64>()) {
                (Some(lists), _) => usize::try_from(lists.value_length(row)).unwrap_or(0),
                (_, Some(lists)) => usize::try_from(lists.value_length(row)).unwrap_or(0),
                _ => 0,
            };
            let valid = (0..lists.len()).filter(|row| lists.is_valid(*row));
            if let Some(length) = valid.map(length).find(|length| *length > 0) {
                return Ok(length);
            }
        }
        Err(Error::source("The first vectors are null or have no values")
            .at("row 0")
            .help("give the vectors as fixed-size lists, or leave such rows out"))
    }

    /// Which row groups hold a vector that is null or has not `list_len` values. The footer counts
    /// the values of each group, a null list as one, so that costs nothing. (One that is too long and
    /// one that is too short go unnoticed here.)
    fn uneven(&self, list_len: usize) -> Result<Vec<bool>> {
        if self.layout.vector_type == VectorType::Sparse {
            return Ok(vec![false; self.meta().num_row_groups()]);
        }
        let descriptor = self.footer.parquet_schema();
        let leaf = (0..descriptor.num_columns())
            .find(|leaf| descriptor.get_column_root_idx(*leaf) == self.layout.vector);
        let rows = row_counts(self.meta())?.into_iter().enumerate();
        let is_uneven = |group: usize, rows: u64| {
            leaf.is_some_and(|leaf| {
                let values = self.meta().row_group(group).column(leaf).num_values();
                u64::try_from(values).ok() != rows.checked_mul(list_len as u64)
            })
        };
        Ok(rows.map(|(group, rows)| is_uneven(group, rows)).collect())
    }

    /// Cuts the file into splits of about [`SPLIT_BYTES`]. Small row groups are put together; a
    /// large one is cut only if the file says where its pages lie, because skipping rows costs as
    /// much as reading them otherwise, and if it has no checksum, which is one of the whole.
    fn split(
        &self,
        schema: &TableSchema,
        uneven: &[bool],
        next_row: &mut u64,
        splits: &mut Vec<Split>,
    ) -> Result<()> {
        let path = self.file.path.text()?;
        let stamp = self.handle.stamp();
        let row_bytes = schema.row_bytes().max(1) as u64;
        let split_rows = (SPLIT_BYTES / row_bytes).max(1);
        let mut file_row = 0;
        let mut push = |first_group, groups, skip, rows| {
            let location = Location {
                path: path.clone(),
                stamp: stamp.clone(),
                first_group,
                groups,
                skip,
                file_row,
                uneven: uneven[first_group..first_group + groups].contains(&true),
            };
            splits.push(Split {
                index: u32::try_from(splits.len())
                    .map_err(|_| Error::source("The table has too many parts").at(&path))?,
                first_row: *next_row,
                rows,
                bytes: rows.saturating_mul(row_bytes),
                location: Split::locate(&location),
            });
            file_row += rows;
            *next_row += rows;
            Ok::<_, Error>(())
        };
        let counts = row_counts(self.meta())?;
        let mut group = 0;
        while group < counts.len() {
            let is_whole = self.is_summed || !self.has_page_positions(group);
            if counts[group] >= 2 * split_rows && !is_whole {
                let mut skip = 0;
                while skip < counts[group] {
                    let rows = split_rows.min(counts[group] - skip);
                    push(group, 1, skip, rows)?;
                    skip += rows;
                }
                group += 1;
                continue;
            }
            let (start, mut rows) = (group, 0);
            while group < counts.len() && (rows == 0 || rows + counts[group] <= split_rows) {
                rows += counts[group];
                group += 1;
            }
            if rows > 0 {
                push(start, group - start, 0, rows)?;
            }
        }
        Ok(())
    }

    fn has_page_positions(&self, group: usize) -> bool {
        self.meta().row_group(group).columns().iter().all(|c| c.offset_index_offset().is_some())
    }
}

/// Rows in each row group.
///
/// # Errors
/// When a count is negative or the sum is beyond 63 bits: the footer is damaged.
pub fn row_counts(meta: &ParquetMetaData) -> Result<Vec<u64>> {
    let mut sum = 0i64;
    let counts = meta.row_groups().iter().map(|group| {
        let rows = u64::try_from(group.num_rows()).ok()?;
        sum = sum.checked_add(group.num_rows())?;
        Some(rows)
    });
    counts
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Error::source("The footer states an impossible number of rows"))
}
