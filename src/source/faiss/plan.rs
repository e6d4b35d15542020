//! The plan of a source: all index files together make one table, cut into splits.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::source::SourceTable;
use crate::source::cut::Cutter;
use crate::source::faiss::format::{Index, is_index};
use crate::source::faiss::layout::{Layout, metric_words, nesting};
use crate::source::faiss::rows::{Rows, data_path, map};
use crate::source::faiss::{Config, Lossy};
use crate::source::files::{self, Stamp, name};
use crate::source::input::{Further, Input};
use crate::source::opened::Opened;
use crate::table::{Metric, Part, TableSchema, VectorColumn};

/// Rows of a split of rows that have another one's vector: their places are looked up by id, which
/// takes memory for each.
const DUPLICATE_ROWS: u64 = 1 << 18;

/// Where a split's rows lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The index file, and the file of its lists, where that is another one.
    pub input: Input,
    /// First row within the index.
    pub first_row: u64,
}

/// One file, looked at.
struct FilePlan {
    location: Location,
    listed: u64,
    duplicates: u64,
    column: VectorColumn,
    metric: Option<Metric>,
    is_numbered: bool,
    notes: Vec<String>,
}

/// Reads the index that `path` holds, and says where its rows are. `data` says where its lists are, when
/// they are in another file.
///
/// # Errors
/// When it can't be read.
pub fn open(path: &Path, data: impl FnOnce(&Layout) -> Option<PathBuf>) -> Result<(Index, Rows)> {
    let file = map(path)?;
    let tag = file.bytes().get(..4).and_then(|tag| tag.try_into().ok());
    if !tag.is_some_and(is_index) {
        return Err(Error::source("Not a Faiss index").help(
            "give a file that faiss.write_index wrote; `pipeline inspect FILE` tells what a file is",
        ));
    }
    let index = Index::read(file.bytes())?;
    let rows = Rows::of(file, &index, data)?;
    Ok((index, rows))
}

/// Looks at all files and cuts them into splits. Reads no rows. A file that is the only
/// one, and whole, stays open.
///
/// # Errors
/// Whatever keeps a file from being read as configured.
pub fn plan(config: &Config, opened: &Opened<Location, Rows>) -> Result<SourceTable> {
    let paths = files::named(&config.paths, "source.faiss.paths")?;
    files::once_each(&paths)?;
    let mut plans = Vec::new();
    for path in &paths {
        let (plan, rows) = look(path, config).map_err(|error| error.at(name(path)))?;
        // Nobody needs to look at it again for its rows. One of several would hold its memory beside that of
        // the others, and a file of lists may be another one since it was opened, and before it was stamped.
        if paths.len() == 1 && plan.location.input.further.is_empty() {
            opened.keep(plan.location.clone(), rows);
        }
        plans.push(plan);
    }
    let Some(first) = plans.first() else {
        return Err(Error::internal("A source without files"));
    };
    for other in &plans {
        if (other.column, other.metric) != (first.column, first.metric) {
            let words = |plan: &FilePlan| {
                format!("{}, {}", plan.column, plan.metric.map_or("unknown metric", Metric::name))
            };
            return Err(Error::source(format!(
                "`{}` holds {}; `{}` holds {}",
                name(&first.location.input.file),
                words(first),
                name(&other.location.input.file),
                words(other)
            ))
            .help("all files of a source make one table: move files of each kind with a config of their own"));
        }
    }
    let schema = TableSchema::of_vectors("id", "vector", first.column);
    let row_bytes = schema.row_bytes() as u64;
    let rows = plans
        .iter()
        .try_fold(0u64, |sum, file| sum.checked_add(file.listed)?.checked_add(file.duplicates));
    let Some((rows, bytes)) = rows.and_then(|n| Some((n, n.checked_mul(row_bytes)?))) else {
        return Err(Error::source("The files claim more rows than any disk holds"));
    };
    let mut notes: Vec<_> = plans.iter().flat_map(|file| file.notes.clone()).collect();
    notes.dedup();
    if plans.len() > 1 && plans.iter().filter(|file| file.is_numbered).count() > 1 {
        notes.push(
            "rows without ids are numbered from 0 in each file: their ids collide".to_owned(),
        );
    }
    let table = files::table_name(&paths, None).unwrap_or_else(|| "faiss".to_owned());
    Ok(SourceTable {
        database: None,
        name: table.clone(),
        collection: table,
        part: Part::Whole,
        renaming: None,
        schema,
        metric: first.metric,
        rows,
        bytes,
        splits: cut(&plans, row_bytes, bytes),
        notes,
        warnings: Vec::new(),
    })
}

fn cut(plans: &[FilePlan], row_bytes: u64, bytes: u64) -> Vec<crate::table::Split> {
    let mut cutter = Cutter::new(row_bytes, bytes);
    for file in plans {
        let from = |first_row| Location { first_row, ..file.location.clone() };
        cutter.cut(file.listed, 1, from);
        cutter.cut_at(file.duplicates, DUPLICATE_ROWS, |row| from(file.listed + row));
    }
    cutter.splits
}

fn look(path: &Path, config: &Config) -> Result<(FilePlan, Rows)> {
    let stamp = Stamp::of(path)?;
    let data = |layout: &Layout| data_path(path, layout, config.external);
    let (index, rows) = open(path, data)?;
    let elsewhere = data(&rows.layout).into_iter().collect();
    let lists = Further::of(path, elsewhere, config.external, "source.faiss.external")?;
    let layout = &rows.layout;
    let column = layout.column;
    if !layout.has_dimensions() {
        return Err(Error::source("The vectors have no dimensions"));
    }
    if let Some(dim) = config.dim.filter(|&dim| dim != column.dim) {
        return Err(Error::source(format!(
            "The index holds {column} vectors, the configuration says dim {dim}"
        ))
        .help("change source.faiss.dim, or leave it out"));
    }
    let metric = index.header.metric;
    let metric_name = metric_words(metric, index.header.metric_argument);
    if let Some(stated) = config.metric.filter(|&stated| Some(stated) != metric) {
        return Err(Error::source(format!(
            "The index was made for the metric {metric_name}, the configuration says {stated}"
        ))
        .help("change source.faiss.metric, or leave it out; to search by another metric at the target, set sink.milvus.schema.metric"));
    }
    if config.lossy == Lossy::Refuse && !layout.lossy.is_empty() {
        return Err(Error::source(format!(
            "The index does not hold the vectors that it was given: {}",
            layout.lossy.join("; ")
        ))
        .help("move the vectors from where they came from, or set source.faiss.lossy: allow to take what the codes say"));
    }
    let mut notes = vec![format!("index: {}", nesting(&index))];
    notes.extend(layout.lossy.iter().map(|why| format!("not exact: {why}")));
    let (listed, duplicates) = (layout.listed, layout.rows() - layout.listed);
    if index.header.rows != listed && index.header.rows != layout.rows() {
        notes.push(format!(
            "the index says it has {} rows, but holds {}: those are moved",
            index.header.rows,
            layout.rows()
        ));
    }
    if duplicates > 0 {
        notes.push(format!("{duplicates} rows have the vector of another one, and come last"));
    }
    match metric {
        Some(metric) if metric.is_of_milvus() => {}
        _ => notes.push(format!("the index's metric is {metric_name}, which Milvus does not have")),
    }
    if layout.is_numbered() {
        notes.push("no ids in the index: rows are numbered from 0".to_owned());
    }
    notes.extend(lists.notes());
    let location = Location { input: Input::new(path, stamp, lists), first_row: 0 };
    let is_numbered = layout.is_numbered();
    Ok((FilePlan { location, listed, duplicates, column, metric, is_numbered, notes }, rows))
}
