//! What is inside a Faiss index, for `pipeline inspect`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};

use crate::error::{Error, Result};
use crate::flow::blocking;
use crate::source::External;
use crate::source::faiss::format::{Body, Index, Ivf, is_index};
use crate::source::faiss::layout::{Layout, metric_words, nesting};
use crate::source::faiss::rows::{Rows, data_path, map};
use crate::source::files::name;
use crate::source::inspect::{FIRST_ROWS, Inspection, Section};
use crate::source::rows::to_vectors;
use crate::table::{TableSchema, VectorColumn, VectorType};
use crate::words;

/// Looks into the file at `place`; none when it is not a Faiss index.
///
/// # Errors
/// When it is one and can't be read.
pub async fn inspect(place: &str) -> Result<Option<Inspection>> {
    let path = PathBuf::from(place);
    blocking(move || {
        if !path.is_file() || !is_faiss(&path) {
            return Ok(None);
        }
        look(&path).map(Some).map_err(|error| error.at(name(&path)))
    })
    .await
}

fn is_faiss(path: &Path) -> bool {
    let mut tag = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut tag));
    read.is_ok() && is_index(tag)
}

fn look(path: &Path) -> Result<Inspection> {
    let file = map(path)?;
    let index = Index::read(file.bytes())?;
    let size = file.bytes().len();
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let mut facts = vec![
        fact("file size", words::bytes(size as f64)),
        fact("index", nesting(&index)),
        fact("rows (ntotal)", words::count(index.header.rows)),
    ];
    let vector_type = if index.is_binary() { VectorType::Binary } else { VectorType::Float32 };
    let column = VectorColumn { vector_type, dim: index.header.dim };
    facts.push(fact("vectors", column.to_string()));
    facts.push(fact("metric", metric_words(index.header.metric, index.header.metric_argument)));
    let data = |layout: &Layout| data_path(path, layout, External::Allow);
    let rows = match Rows::of(file, &index, data) {
        Ok(rows) => Some(rows),
        Err(error) => {
            facts.push(fact("can be moved", format!("no: {error}")));
            None
        }
    };
    if let Some(rows) = &rows {
        let layout = &rows.layout;
        let exact = match layout.lossy.as_slice() {
            [] => "yes".to_owned(),
            why => format!("no (set `lossy: allow`): {}", why.join("; ")),
        };
        facts.push(fact("vectors are exact", exact));
        let ids = if layout.is_numbered() { "none, rows are numbered" } else { "stored" };
        facts.push(fact("ids", ids.to_owned()));
        if let Some((path, size)) = &layout.elsewhere {
            facts.push(fact("lists in", format!("{path}, {}", words::bytes(*size as f64))));
        }
    }
    let first_rows = match &rows {
        Some(rows) => first_rows(rows)?,
        None => None,
    };
    Ok(Inspection {
        title: format!("Faiss index {}", path.display()),
        facts,
        sections: lists_of(&index).map(lists).into_iter().collect(),
        first_rows,
    })
}

/// The inverted lists of the index, however deep they are.
fn lists_of(index: &Index) -> Option<&Ivf> {
    match &index.body {
        Body::Ivf(ivf) => Some(ivf),
        Body::IdMap { inner, .. } | Body::PreTransform { inner, .. } | Body::Graph(inner) => {
            lists_of(inner)
        }
        Body::Refine { base, refined } => lists_of(base).or_else(|| lists_of(refined)),
        Body::Codes { .. } | Body::Grid(_) | Body::Opaque(_) => None,
    }
}

fn lists(ivf: &Ivf) -> Section {
    let mut sizes: Vec<_> = ivf.lists.filled.iter().map(|list| list.rows as u64).collect();
    sizes.sort_unstable();
    let empty = ivf.lists.count - sizes.len() as u64;
    let size = |place: usize| sizes.get(place).map_or("-".to_owned(), |&size| words::count(size));
    Section {
        title: "Inverted lists".to_owned(),
        header: vec!["lists", "empty", "smallest", "median", "largest", "direct map", "quantizer"],
        rows: vec![vec![
            words::count(ivf.lists.count),
            words::count(empty),
            size(0),
            size(sizes.len() / 2),
            size(sizes.len().saturating_sub(1)),
            ivf.direct_map.to_owned(),
            nesting(&ivf.quantizer),
        ]],
    }
}

fn first_rows(rows: &Rows) -> Result<Option<RecordBatch>> {
    let part = 0..rows.layout.listed.min(FIRST_ROWS as u64);
    if part.is_empty() || !rows.layout.has_dimensions() {
        return Ok(None);
    }
    let count = part.end as usize;
    let schema = TableSchema::of_vectors("id", "vector", rows.layout.column);
    let (ids, vectors) = rows.read(&part)?;
    let vectors = to_vectors(&schema, vectors, count)?;
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ids)), vectors];
    RecordBatch::try_new(Arc::clone(schema.arrow()), columns)
        .map(Some)
        .map_err(|error| Error::internal("Rows do not fit their schema").because(error))
}
