//! What is inside an HDF5 file, for `pipeline inspect`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use hdf5::dataset::Layout;

use crate::error::{Error, Result};
use crate::flow::blocking;
use crate::source::files::name;
use crate::source::hdf5::column::{Ids, StoredIds, Unfit, Vectors, check_ids, vector_column};
use crate::source::hdf5::dataset::{
    Dataset, Element, is_hdf5, library_error, open_file, shape_words,
};
use crate::source::hdf5::default_vectors;
use crate::source::hdf5::elsewhere::files_of;
use crate::source::hdf5::listing::list;
use crate::source::hdf5::plan::DEFAULT_IDS;
use crate::source::hdf5::storage::{ChunkMaps, RowReader, filter_words};
use crate::source::inspect::{FIRST_ROWS, Inspection, Section};
use crate::table::{TableSchema, VectorColumn};
use crate::words;

/// Files that an inspection names.
const MOST_NAMED: usize = 20;

/// Looks into the file at `place`; none when it is not an HDF5 file.
///
/// # Errors
/// When it is one and can't be read.
pub async fn inspect(place: &str) -> Result<Option<Inspection>> {
    let path = PathBuf::from(place);
    blocking(move || {
        if !path.is_file() || !is_hdf5(&path)? {
            return Ok(None);
        }
        look(&path).map(Some).map_err(|error| error.at(name(&path)))
    })
    .await
}

fn look(path: &Path) -> Result<Inspection> {
    let file = open_file(path)?;
    let paths = list(&file).map_err(|error| library_error("Cannot list the datasets", &error))?;
    let mut datasets = Vec::new();
    for path in &paths {
        datasets.push(Dataset::open(&file, path)?);
    }
    let mut facts = vec![("file size".to_owned(), words::bytes(file.size() as f64))];
    if file.userblock() > 0 {
        facts.push(("user block".to_owned(), format!("{} bytes", file.userblock())));
    }
    let mut elsewhere = BTreeSet::new();
    for dataset in &datasets {
        elsewhere.extend(files_of(path, &dataset.handle)?);
    }
    let named = elsewhere.iter().take(MOST_NAMED);
    facts.extend(named.map(|file| ("leads to".to_owned(), name(file))));
    if elsewhere.len() > MOST_NAMED {
        facts.push(("leads to".to_owned(), format!("{} more files", elsewhere.len() - MOST_NAMED)));
    }
    let vectors = pick_vectors(&datasets);
    let ids = vectors.and_then(|(vectors, _)| pick_ids(&datasets, vectors));
    let by_config = |key: &str, dataset: &Dataset, default: &str| {
        if dataset.path == default {
            dataset.path.clone()
        } else {
            format!("{} (set `{key}: {}`)", dataset.path, dataset.path)
        }
    };
    match vectors {
        Some((dataset, column)) => {
            facts.push(("rows".to_owned(), words::count(dataset.rows())));
            let path = by_config("vectors", dataset, &default_vectors());
            facts.push(("vectors".to_owned(), format!("{path}, {column}")));
            let ids = ids
                .map_or("none, rows are numbered".to_owned(), |d| by_config("ids", d, DEFAULT_IDS));
            facts.push(("ids".to_owned(), ids));
        }
        None => facts.push(("vectors".to_owned(), "none found".to_owned())),
    }
    let first_rows = match vectors {
        Some((dataset, column)) => first_rows(path, dataset, column, ids)?,
        None => None,
    };
    Ok(Inspection {
        title: format!("HDF5 file {}", path.display()),
        facts,
        sections: vec![Section {
            title: "Datasets".to_owned(),
            header: vec!["dataset", "shape", "type", "layout", "chunk", "filters", "stored"],
            rows: datasets.iter().map(row).collect(),
        }],
        first_rows,
    })
}

fn row(dataset: &Dataset) -> Vec<String> {
    let properties = dataset.handle.dcpl().ok();
    let layout = match dataset.handle.layout() {
        Layout::Chunked => "chunked",
        Layout::Compact => "compact",
        Layout::Contiguous => "contiguous",
        Layout::Virtual => "virtual",
    };
    let chunk: Vec<_> =
        dataset.handle.chunk().unwrap_or_default().iter().map(|&n| n as u64).collect();
    vec![
        dataset.path.clone(),
        shape_words(&dataset.shape),
        dataset.type_name.clone(),
        layout.to_owned(),
        if chunk.is_empty() { String::new() } else { shape_words(&chunk) },
        properties.map(|p| filter_words(&p)).unwrap_or_default(),
        words::bytes(dataset.handle.storage_size() as f64),
    ]
}

/// The dataset that a config without `vectors` takes, else the largest that could be it.
fn pick_vectors(datasets: &[Dataset]) -> Option<(&Dataset, VectorColumn)> {
    let column = |dataset: &Dataset| match vector_column(dataset) {
        Ok((vector_type, Some(dim))) => Some(VectorColumn { vector_type, dim }),
        _ => None,
    };
    let could_be = datasets.iter().filter_map(|d| Some((d, column(d)?)));
    let default = default_vectors();
    could_be.clone().find(|(d, _)| d.path == default).or_else(|| {
        // Words are byte strings too: only numbers are taken unasked.
        let numbers = could_be.filter(|(d, _)| !matches!(d.element, Some(Element::Bytes(_))));
        numbers.max_by_key(|(d, column)| d.rows().saturating_mul(column.row_bytes() as u64))
    })
}

fn pick_ids<'a>(datasets: &'a [Dataset], vectors: &Dataset) -> Option<&'a Dataset> {
    datasets.iter().find(|d| d.path == DEFAULT_IDS && check_ids(d, vectors).is_ok())
}

fn first_rows(
    path: &Path,
    dataset: &Dataset,
    column: VectorColumn,
    ids: Option<&Dataset>,
) -> Result<Option<RecordBatch>> {
    let rows = 0..dataset.rows().min(FIRST_ROWS as u64);
    if rows.is_empty() {
        return Ok(None);
    }
    let maps = ChunkMaps::default();
    let mut ids = match ids {
        Some(ids) => Ids::Stored(Box::new(StoredIds::new(RowReader::new(path, ids, &maps)?, ids)?)),
        None => Ids::Numbers(0),
    };
    let mut vectors = Vectors::new(RowReader::new(path, dataset, &maps)?, dataset, column)?;
    let schema = TableSchema::of_vectors("id", "vector", column);
    let mut unfit = Unfit::none(&schema, path, 0);
    let columns = vec![ids.read(rows.clone(), &mut unfit)?, vectors.read(rows, &mut unfit)?];
    unfit.refuse()?;
    RecordBatch::try_new(Arc::clone(schema.arrow()), columns)
        .map(Some)
        .map_err(|error| Error::internal("Rows do not fit their schema").because(error))
}
