//! The plan of a source: all files together make one table, cut into splits.

use std::path::{Path, PathBuf};

use hdf5::dataset::Layout;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::source::SourceTable;
use crate::source::cut::Cutter;
use crate::source::files::{self, Stamp, name};
use crate::source::hdf5::Config;
use crate::source::hdf5::column::{check_ids, vector_column};
use crate::source::hdf5::dataset::{Dataset, Element, open_file};
use crate::source::hdf5::elsewhere::files_of;
use crate::source::hdf5::form::Form;
use crate::source::hdf5::storage::{ChunkMaps, RowReader};
use crate::source::input::{Further, Input};
use crate::table::{Part, Split, TableSchema, VectorColumn, VectorType};

/// The dataset of ids that is taken where the configuration names none.
pub const DEFAULT_IDS: &str = "ids";
/// Names that a folder's HDF5 files end in.
const EXTENSIONS: [&str; 3] = ["h5", "hdf5", "he5"];

/// Where a split's rows lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The file, and those that its datasets refer to.
    pub input: Input,
    /// First row within the file.
    pub first_row: u64,
    /// Path of the dataset of vectors.
    pub vectors: String,
    /// Path of the dataset of ids; none where the rows are numbered.
    pub ids: Option<String>,
}

/// One file, looked at.
struct FilePlan {
    input: Input,
    rows: u64,
    /// Rows that a split's bounds should be a multiple of.
    align: u64,
    vector_type: VectorType,
    dim: Option<usize>,
    ids: Option<String>,
    notes: Vec<String>,
}

/// Looks at all files and cuts them into splits. Reads no rows.
///
/// # Errors
/// Whatever keeps a file from being read as configured.
pub fn plan(config: &Config, maps: &ChunkMaps) -> Result<SourceTable> {
    let paths = find(config)?;
    let mut plans = Vec::new();
    for path in &paths {
        plans.push(look(path, config, maps).map_err(|error| error.at(name(path)))?);
    }
    let ids = agree_on_ids(&plans)?;
    let column = agree_on_column(&plans, config)?;
    if let Some(metric) = config.metric
        && !metric.fits(column.vector_type)
    {
        return Err(Error::config(format!("The metric {metric} does not fit {column} vectors"))
            .at("source.hdf5.metric"));
    }
    let schema = TableSchema::of_vectors("id", "vector", column);
    let row_bytes = schema.row_bytes() as u64;
    let rows = plans.iter().try_fold(0u64, |sum, file| sum.checked_add(file.rows));
    let Some((rows, bytes)) = rows.and_then(|n| Some((n, n.checked_mul(row_bytes)?))) else {
        return Err(Error::source("The files claim more rows than any disk holds")
            .help("a dataset's header is damaged; `pipeline inspect` shows the shapes"));
    };
    let name =
        files::table_name(&paths, config.dir.as_deref()).unwrap_or_else(|| "hdf5".to_owned());
    let mut notes = Vec::new();
    for note in plans.iter().flat_map(|file| &file.notes) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    if ids.is_none() {
        notes.push("no ids in the files: rows are numbered from 0 over all files".to_owned());
    }
    Ok(SourceTable {
        database: None,
        name: name.clone(),
        collection: name,
        part: Part::Whole,
        renaming: None,
        schema,
        metric: config.metric,
        rows,
        bytes,
        splits: cut(&plans, config, row_bytes, bytes),
        notes,
        warnings: Vec::new(),
    })
}

fn look(path: &Path, config: &Config, maps: &ChunkMaps) -> Result<FilePlan> {
    let stamp = Stamp::of(path)?;
    let file = open_file(path)?;
    let vectors = Dataset::open(&file, &config.vectors)?;
    let (vector_type, dim) = vector_column(&vectors)?;
    let ids = match &config.ids {
        Some(ids) => Some(Dataset::open(&file, ids)?),
        None => Dataset::open_if_there(&file, DEFAULT_IDS)?,
    };
    let mut elsewhere = files_of(path, &vectors.handle)?;
    if let Some(ids) = &ids {
        elsewhere.extend(files_of(path, &ids.handle)?);
    }
    let further = Further::of(path, elsewhere, config.external, "source.hdf5.external")?;
    let mut notes = notes_on(&vectors);
    notes.extend(further.notes());
    let mut align = 1;
    if vectors.rows() > 0 {
        // What can't be read later should fail now.
        let reader = RowReader::new(path, &vectors, maps)?;
        align = reader.band_rows();
        if vectors.form != Form::Foreign {
            let chunk = vectors.handle.chunk().and_then(|c| c.first().copied());
            align = align.max(chunk.unwrap_or(1) as u64);
        }
    }
    if let Some(ids) = &ids {
        check_ids(ids, &vectors)?;
        if ids.rows() > 0 {
            RowReader::new(path, ids, maps)?;
        }
        notes.extend(notes_on_storage(ids));
    }
    Ok(FilePlan {
        input: Input::new(path, stamp, further),
        rows: vectors.rows(),
        align,
        vector_type,
        dim,
        ids: ids.map(|ids| ids.path),
        notes,
    })
}

fn notes_on(vectors: &Dataset) -> Vec<String> {
    let mut notes = Vec::new();
    let path = &vectors.path;
    match vectors.element {
        Some(Element::Float(8)) => {
            notes.push(format!("`{path}` is {}: values are rounded to float32", vectors.type_name))
        }
        Some(Element::Float(width)) if width == 2 || vectors.form == Form::Foreign => {
            notes.push(format!(
                "`{path}` is {}: values become float32, which holds each of them exactly",
                vectors.type_name
            ));
        }
        _ => {}
    }
    notes.extend(notes_on_storage(vectors));
    notes
}

/// What a reader would otherwise not notice: rows that nobody ever wrote.
fn notes_on_storage(dataset: &Dataset) -> Option<String> {
    if dataset.shape.contains(&0) {
        return None;
    }
    let (path, handle) = (&dataset.path, &dataset.handle);
    match handle.layout() {
        Layout::Virtual => Some(format!(
            "`{path}` is a virtual dataset: rows whose own files are missing read as its fill value"
        )),
        Layout::Contiguous if handle.storage_size() == 0 => {
            Some(format!("`{path}` was never written: every row is its fill value"))
        }
        Layout::Chunked => {
            let chunk = handle.chunk()?;
            let all = dataset
                .shape
                .iter()
                .zip(&chunk)
                .map(|(&n, &c)| n.div_ceil((c as u64).max(1)))
                .fold(1u64, u64::saturating_mul);
            let there = handle.num_chunks()? as u64;
            (there < all).then(|| {
                format!(
                    "{} of the {all} chunks of `{path}` were never written: their rows read as its fill value",
                    all - there
                )
            })
        }
        Layout::Contiguous | Layout::Compact => None,
    }
}

/// Ids come from a dataset in every file, or in none.
fn agree_on_ids(plans: &[FilePlan]) -> Result<Option<String>> {
    let with = plans.iter().find(|file| file.ids.is_some());
    let without = plans.iter().find(|file| file.ids.is_none());
    if let (Some(with), Some(without)) = (with, without) {
        return Err(Error::source(format!(
            "`{}` has a dataset `{DEFAULT_IDS}`, `{}` has none",
            with.input.file.display(),
            without.input.file.display()
        ))
        .help(
            "all files of a source have ids, or none has: move them with one config for each kind",
        ));
    }
    Ok(with.and_then(|file| file.ids.clone()))
}

/// One vector type and dimension for all files.
fn agree_on_column(plans: &[FilePlan], config: &Config) -> Result<VectorColumn> {
    let mut agreed: Option<(VectorColumn, &Path)> = None;
    for file in plans {
        let Some(dim) = file.dim else { continue };
        let column = VectorColumn { vector_type: file.vector_type, dim };
        if let Some(wanted) = config.dim.filter(|&wanted| wanted != dim) {
            return Err(Error::source(format!(
                "`{}` holds {column} vectors, the configuration says dim {wanted}",
                config.vectors
            ))
            .at(name(&file.input.file))
            .help("change source.hdf5.dim, or leave it out"));
        }
        match agreed {
            Some((first, path)) if first != column => {
                return Err(Error::source(format!(
                    "`{}` holds {first} vectors, `{}` holds {column}",
                    path.display(),
                    file.input.file.display()
                ))
                .help("all files of a source make one table: move files of each kind with a config of their own"));
            }
            Some(_) => {}
            None => agreed = Some((column, &file.input.file)),
        }
    }
    match (agreed, config.dim, plans.first()) {
        (Some((column, _)), ..) => Ok(column),
        (None, Some(dim), Some(file)) => Ok(VectorColumn { vector_type: file.vector_type, dim }),
        _ => Err(Error::source(format!(
            "`{}` has no rows, and does not say how many dimensions they would have",
            config.vectors
        ))
        .at(plans.first().map(|file| name(&file.input.file)).unwrap_or_default())
        .help("set source.hdf5.dim")),
    }
}

/// The files of a configuration, in order.
fn find(config: &Config) -> Result<Vec<PathBuf>> {
    let mut paths = files::named(&config.paths, "source.hdf5.paths")?;
    if let Some(dir) = &config.dir {
        paths.extend(files::in_folder(dir, &EXTENSIONS)?);
    }
    files::once_each(&paths)?;
    Ok(paths)
}

fn cut(plans: &[FilePlan], config: &Config, row_bytes: u64, table_bytes: u64) -> Vec<Split> {
    let mut cutter = Cutter::new(row_bytes, table_bytes);
    for file in plans {
        cutter.cut(file.rows, file.align, |first_row| Location {
            input: file.input.clone(),
            first_row,
            vectors: config.vectors.clone(),
            ids: file.ids.clone(),
        });
    }
    cutter.splits
}
