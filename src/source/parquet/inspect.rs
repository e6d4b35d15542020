//! What is inside a Parquet file or a folder of them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use arrow::compute::concat_batches;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};

use crate::error::Result;
use crate::flow::blocking;
use crate::sink::parquet::sums::SUMS;
use crate::source::inspect::{FIRST_ROWS, Inspection, Section};
use crate::source::parquet::footer::{self, damaged};
use crate::source::parquet::layout::Layout;
use crate::source::parquet::paths::{self, Found};
use crate::source::parquet::{Config, tables};
use crate::table::Role;
use crate::words;

/// Looks into `place`; `None` when it is neither a Parquet file nor a folder with some.
///
/// # Errors
/// When it is, but can't be read.
pub async fn inspect(place: &str) -> Result<Option<Inspection>> {
    let path = PathBuf::from(place);
    blocking(move || {
        if path.is_dir() {
            let found = paths::find_in(&path)?;
            return if found.is_empty() { Ok(None) } else { folder(&path, found).map(Some) };
        }
        if path.is_file() && looks_like_parquet(&path) { file(&path).map(Some) } else { Ok(None) }
    })
    .await
}

fn looks_like_parquet(path: &Path) -> bool {
    let mut mark = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut mark));
    (read.is_ok() && mark.starts_with(b"PAR"))
        || path.extension().is_some_and(|extension| extension == "parquet")
}

fn file(path: &Path) -> Result<Inspection> {
    let (handle, footer) = footer::open(path)?;
    let bytes = handle.metadata().map(|meta| meta.len()).unwrap_or(0);
    let meta = footer.metadata();
    let mut facts = vec![
        ("size".to_owned(), words::bytes(bytes as f64)),
        ("rows".to_owned(), words::count(meta.file_metadata().num_rows().try_into().unwrap_or(0))),
        ("row groups".to_owned(), words::count(meta.num_row_groups() as u64)),
    ];
    if let Some(writer) = meta.file_metadata().created_by() {
        facts.push(("written by".to_owned(), writer.to_owned()));
    }
    for note in meta.file_metadata().key_value_metadata().into_iter().flatten() {
        // The encoded schema and the checksums are for programs.
        let for_people = note.key.starts_with("vecpipe.") && note.key != SUMS;
        if let (true, Some(value)) = (for_people, &note.value) {
            facts.push((note.key.replace("vecpipe.", ""), value.clone()));
        }
    }
    match Layout::resolve(&Config::default(), footer.schema()) {
        Ok(layout) => {
            facts.extend(layout.notes.into_iter().map(|note| ("note".to_owned(), note)));
        }
        Err(error) => {
            let message = error.to_string();
            facts.push(("note".to_owned(), message.lines().next().unwrap_or_default().to_owned()));
        }
    }
    Ok(Inspection {
        title: format!("Parquet file {}", path.display()),
        facts,
        sections: vec![columns(&footer)],
        first_rows: first_rows(path, handle, footer)?,
    })
}

fn columns(footer: &ArrowReaderMetadata) -> Section {
    let layout = Layout::resolve(&Config::default(), footer.schema()).ok();
    let role = |index, field| match &layout {
        Some(layout) if layout.id == Some(index) => "id",
        Some(layout) if layout.vector == index => "vector",
        _ if Role::of(field) == Role::Vector => "vector",
        _ => "scalar",
    };
    let fields = footer.schema().fields().iter().enumerate();
    Section {
        title: "Columns".to_owned(),
        header: vec!["column", "type", "role"],
        rows: fields
            .map(|(index, field)| {
                let role = role(index, field).to_owned();
                vec![field.name().clone(), field.data_type().to_string(), role]
            })
            .collect(),
    }
}

fn first_rows(
    path: &Path,
    handle: File,
    footer: ArrowReaderMetadata,
) -> Result<Option<arrow_array::RecordBatch>> {
    let schema = footer.schema().clone();
    let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(handle, footer)
        .with_batch_size(FIRST_ROWS)
        .with_limit(FIRST_ROWS)
        .build()
        .map_err(|error| damaged(path, error))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| damaged(path, error))?;
    let rows = concat_batches(&schema, &batches).map_err(|error| damaged(path, error))?;
    Ok((rows.num_rows() > 0).then_some(rows))
}

fn folder(path: &Path, found: Vec<Found>) -> Result<Inspection> {
    let first = found[0].files[0].path.clone();
    let (mut rows, mut total, mut files) = (Vec::new(), 0, 0);
    for found in found {
        let number = found.files.len();
        let (collection, part) = (found.collection.clone(), found.part.clone());
        let table = tables::table(&Config::default(), found)?;
        total += table.rows;
        files += number;
        rows.push(vec![
            collection,
            part.partition().unwrap_or_default().to_owned(),
            words::count(table.rows),
            table.schema.column().to_string(),
            table.metric.map(|metric| metric.to_string()).unwrap_or_default(),
            words::count(number as u64),
        ]);
    }
    let (handle, footer) = footer::open(&first)?;
    Ok(Inspection {
        title: format!("Parquet folder {}", path.display()),
        facts: vec![
            ("tables".to_owned(), words::count(rows.len() as u64)),
            ("rows".to_owned(), words::count(total)),
            ("files".to_owned(), words::count(files as u64)),
        ],
        sections: vec![
            Section {
                title: "Tables".to_owned(),
                header: vec!["collection", "partition", "rows", "vectors", "metric", "files"],
                rows,
            },
            columns(&footer),
        ],
        first_rows: first_rows(&first, handle, footer)?,
    })
}
