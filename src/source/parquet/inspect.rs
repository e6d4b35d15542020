//! What is inside a Parquet file or a folder of them.

use arrow::compute::concat_batches;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::Result;
use crate::flow::blocking;
use crate::sink::parquet::sums::SUMS;
use crate::source::inspect::{FIRST_ROWS, Inspection, Section};
use crate::source::parquet::footer::{self, unreadable};
use crate::source::parquet::layout::Layout;
use crate::source::parquet::paths::{self, Found};
use crate::source::parquet::{Config, tables};
use crate::store::{Place, Reader, Stores};
use crate::table::Role;
use crate::words;

/// Looks into `place`; `None` when it is neither a Parquet file nor a folder with some.
///
/// # Errors
/// When it is, but can't be read.
pub async fn inspect(place: &str) -> Result<Option<Inspection>> {
    let place = place.to_owned();
    blocking(move || {
        let place = Stores::default().place(&place)?;
        match place.facts()? {
            Some(facts) if facts.is_folder => {
                let found = paths::find_in(&place)?;
                if found.is_empty() { Ok(None) } else { folder(&place, found).map(Some) }
            }
            Some(_) if looks_like_parquet(&place) => file(&place).map(Some),
            _ => Ok(None),
        }
    })
    .await
}

fn looks_like_parquet(place: &Place) -> bool {
    let is_marked = |file: Reader| file.get_bytes(0, 3).is_ok_and(|mark| mark == b"PAR"[..]);
    place.open().is_ok_and(is_marked) || place.name().is_some_and(|name| name.ends_with(".parquet"))
}

fn file(path: &Place) -> Result<Inspection> {
    let (handle, footer) = footer::open(path)?;
    let bytes = handle.len();
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
        title: format!("Parquet file {}", path),
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
    path: &Place,
    handle: Reader,
    footer: ArrowReaderMetadata,
) -> Result<Option<arrow_array::RecordBatch>> {
    let schema = footer.schema().clone();
    let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(handle.clone(), footer)
        .with_batch_size(FIRST_ROWS)
        .with_limit(FIRST_ROWS)
        .build()
        .map_err(|error| unreadable(&handle, path, error))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(&handle, path, error))?;
    let rows =
        concat_batches(&schema, &batches).map_err(|error| unreadable(&handle, path, error))?;
    Ok((rows.num_rows() > 0).then_some(rows))
}

fn folder(path: &Place, found: Vec<Found>) -> Result<Inspection> {
    let first = found[0].files[0].path.clone();
    let (mut rows, mut total, mut files) = (Vec::new(), 0, 0);
    // Those of a dump have one.
    let with_database = found.iter().any(|found| found.database.is_some());
    for found in found {
        let number = found.files.len();
        let (collection, part) = (found.collection.clone(), found.part.clone());
        let database = found.database.clone().unwrap_or_default();
        let table = tables::table(&Config::default(), found)?;
        total += table.rows;
        files += number;
        let row = vec![
            collection,
            part.partition().unwrap_or_default().to_owned(),
            words::count(table.rows),
            table.schema.column().to_string(),
            table.metric.map(|metric| metric.to_string()).unwrap_or_default(),
            words::count(number as u64),
        ];
        rows.push(with_database.then_some(database).into_iter().chain(row).collect());
    }
    let header = ["collection", "partition", "rows", "vectors", "metric", "files"];
    let header = with_database.then_some("database").into_iter().chain(header);
    let (handle, footer) = footer::open(&first)?;
    Ok(Inspection {
        title: format!("Parquet folder {}", path),
        facts: vec![
            ("tables".to_owned(), words::count(rows.len() as u64)),
            ("rows".to_owned(), words::count(total)),
            ("files".to_owned(), words::count(files as u64)),
        ],
        sections: vec![
            Section { title: "Tables".to_owned(), header: header.collect(), rows },
            columns(&footer),
        ],
        first_rows: first_rows(&first, handle, footer)?,
    })
}
