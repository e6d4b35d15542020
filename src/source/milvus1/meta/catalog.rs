//! Collections, partitions and segments, as a client of the old server would see them.

use std::collections::HashMap;

use super::{FileRow, TableRow, unknown_form};
use crate::error::{Error, Result};
use crate::table::{Metric, VectorColumn, VectorType};

/// Dimensions that an old server takes, at most.
const MAX_DIM: i64 = 32_768;

/// Everything that is in use.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// In the order in which they were made.
    pub collections: Vec<Collection>,
}

/// A collection.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// Its vectors.
    pub column: VectorColumn,
    /// Its metric.
    pub metric: Metric,
    /// The default partition, then the others.
    pub partitions: Vec<Partition>,
}

/// A partition.
#[derive(Debug, Clone)]
pub struct Partition {
    /// Its tag; none for the default partition.
    pub tag: Option<String>,
    /// The folder of its segments.
    pub table_id: String,
    /// Its segments, in the order in which they were made.
    pub segments: Vec<Segment>,
    /// Everything in the write-ahead log up to here is in segments.
    pub flush_lsn: u64,
}

/// A segment that holds rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its folder's name, and that of its files.
    pub id: String,
    /// Rows that the server counted; a hint only.
    pub row_count: i64,
}

impl Catalog {
    /// What the rows of the metadata say.
    ///
    /// # Errors
    /// When they contradict each other, or say what no server would.
    pub fn of(tables: Vec<TableRow>, files: Vec<FileRow>) -> Result<Catalog> {
        let mut segments: HashMap<String, Vec<Segment>> = HashMap::new();
        for file in files.into_iter().filter(FileRow::is_live) {
            // Names of folders come from here: they must not lead anywhere else.
            if !is_plain(&file.segment_id) {
                return Err(unknown_form(format!("A segment is called `{}`", file.segment_id))
                    .at(format!("table {}", file.table_id)));
            }
            let all = segments.entry(file.table_id).or_default();
            // Two entries would be of the same files.
            if all.iter().all(|other| other.id != file.segment_id) {
                all.push(Segment { id: file.segment_id, row_count: file.row_count });
            }
        }
        let in_use: Vec<_> = tables.into_iter().filter(|table| table.state == 0).collect();
        in_use.iter().try_for_each(check_version)?;
        let mut collections = Vec::new();
        for table in in_use.iter().filter(|table| table.owner.is_empty()) {
            let mut partition = |table: &TableRow, tag: Option<String>| -> Result<Partition> {
                if !is_plain(&table.table_id) {
                    return Err(unknown_form(format!("A table is called `{}`", table.table_id)));
                }
                let segments = segments.remove(&table.table_id).unwrap_or_default();
                let (table_id, flush_lsn) = (table.table_id.clone(), table.flush_lsn);
                Ok(Partition { tag, table_id, segments, flush_lsn })
            };
            let mut partitions = vec![partition(table, None)?];
            for part in in_use.iter().filter(|part| part.owner == table.table_id) {
                partitions.push(partition(part, Some(part.tag.clone()))?);
            }
            let (column, metric) = form_of(table)?;
            collections.push(Collection {
                name: table.table_id.clone(),
                column,
                metric,
                partitions,
            });
        }
        Ok(Catalog { collections })
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\\', '\0']) && name != "." && name != ".."
}

/// Stops at a table of a server that may have written in another form. A table keeps the version that
/// made it, and 0.10 went on with those of 0.7 and later, from where on segments have this form.
fn check_version(table: &TableRow) -> Result<()> {
    let mut numbers = table.version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(0)), Some(Ok(7..=10))) | (Some(Ok(1)), Some(Ok(_))) => Ok(()),
        _ => Err(Error::source(format!(
            "Table {} was made by a Milvus of version `{}`",
            table.table_id, table.version
        ))
        .help("only what Milvus 0.10 and 1.x wrote is read")),
    }
}

fn form_of(table: &TableRow) -> Result<(VectorColumn, Metric)> {
    let place = |error: Error| error.at(format!("collection {}", table.table_id));
    let Some(metric) = Metric::of_milvus1(table.metric_type) else {
        let what = format!("The metric has the number {}", table.metric_type);
        return Err(place(unknown_form(what)));
    };
    let vector_type = if metric.is_binary() { VectorType::Binary } else { VectorType::Float32 };
    let dim = usize::try_from(table.dimension).unwrap_or(0);
    let fits = (1..=MAX_DIM).contains(&table.dimension)
        && (vector_type != VectorType::Binary || dim.is_multiple_of(8));
    if !fits {
        return Err(place(unknown_form(format!("The dimension is {}", table.dimension))));
    }
    Ok((VectorColumn { vector_type, dim }, metric))
}
