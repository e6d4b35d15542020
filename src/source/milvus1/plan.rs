//! The plan of a source: each partition is a table, each segment a few splits.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::flow::blocking;
use crate::milvus::DEFAULT_PARTITION;
use crate::source::SourceTable;
use crate::source::choice::{Chosen, Offer};
use crate::source::cut::split_rows;
use crate::source::files::name;
use crate::source::milvus1::Config;
use crate::source::milvus1::log::{Unflushed, unflushed};
use crate::source::milvus1::meta::{self, Collection, Partition};
use crate::source::milvus1::segment::{Segment, SegmentFiles};
use crate::table::{Split, TableSchema};
use crate::words;

/// Where a split's rows lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The segment.
    pub files: SegmentFiles,
    /// First row of the segment, counted with deleted ones.
    pub start: u32,
    /// End of the rows.
    pub end: u32,
}

/// Reads the metadata, and looks at the segments of what is wanted. Reads no rows.
///
/// # Errors
/// Whatever keeps the directory from being read as configured.
pub async fn plan(config: &Config) -> Result<Vec<SourceTable>> {
    let catalog = meta::read(&config.path, &config.meta).await?;
    let config = config.clone();
    blocking(move || {
        let offers: Vec<_> = catalog.collections.iter().map(offer).collect();
        let chosen = config.choice().among(&offers)?;
        let unflushed = unflushed(&config.path, &catalog)?;
        let mut tables = Vec::new();
        for chosen in &chosen {
            let collection = &catalog.collections[chosen.offer];
            let partition = &collection.partitions[chosen.partition];
            let wanted = Wanted { collection, partition, chosen };
            let tag = wanted.partition.tag.clone().unwrap_or_default();
            let lost = unflushed.get(&(wanted.collection.name.clone(), tag)).copied();
            tables.push(table(&config, wanted, lost)?);
        }
        Ok(tables)
    })
    .await
}

/// A partition to read.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    collection: &'a Collection,
    partition: &'a Partition,
    chosen: &'a Chosen,
}

fn offer(collection: &Collection) -> Offer {
    let tags = collection.partitions.iter().map(|partition| tag_of(partition).to_owned());
    Offer { collection: collection.name.clone(), partitions: tags.collect() }
}

/// A partition's tag, of the default one, too.
pub(super) fn tag_of(partition: &Partition) -> &str {
    partition.tag.as_deref().unwrap_or(DEFAULT_PARTITION)
}

/// A table's name.
fn table_name(collection: &Collection, partition: &Partition) -> String {
    match &partition.tag {
        None => collection.name.clone(),
        Some(tag) => format!("{}/{tag}", collection.name),
    }
}

fn table(config: &Config, wanted: Wanted<'_>, lost: Option<Unflushed>) -> Result<SourceTable> {
    let Wanted { collection, partition, chosen } = wanted;
    let table_name = table_name(collection, partition);
    let schema = TableSchema::of_vectors("id", "vector", collection.column);
    let segments = segments(config, partition, collection.column.row_bytes())
        .map_err(|error| error.at(format!("table {table_name}")))?;
    let rows: u64 = segments.iter().map(Segment::alive).sum();
    let row_bytes = schema.row_bytes() as u64;
    let bytes = rows.saturating_mul(row_bytes);
    let mut notes = Vec::new();
    let deleted: u64 = segments.iter().map(|segment| segment.deleted.len()).sum();
    if deleted > 0 {
        let verb = if deleted == 1 { "is" } else { "are" };
        notes.push(format!("{} {verb} left out", words::plural(deleted, "deleted row")));
    }
    let mut warnings = Vec::new();
    if let Some(Unflushed { inserted, deleted }) = lost.filter(|l| l.inserted + l.deleted > 0) {
        let rows = [(inserted, "inserted row"), (deleted, "deleted row")];
        let rows = rows.iter().filter(|(n, _)| *n > 0).map(|(n, what)| words::plural(*n, what));
        warnings.push(format!(
            "NOT MOVED: {} that only the write-ahead log holds, because the server was killed; start the old server once, flush, and stop it",
            rows.collect::<Vec<_>>().join(" and ")
        ));
    }
    Ok(SourceTable {
        database: None,
        collection: chosen.collection.clone(),
        part: chosen.part.clone(),
        renaming: Some(chosen.renaming.clone()),
        splits: cut(&segments, row_bytes, split_rows(row_bytes, bytes)),
        name: table_name,
        schema,
        metric: Some(collection.metric),
        rows,
        bytes,
        notes,
        warnings,
    })
}

fn segments(config: &Config, partition: &Partition, row_bytes: usize) -> Result<Vec<Segment>> {
    let roots: Vec<PathBuf> =
        [&config.path].into_iter().chain(&config.extra_paths).cloned().collect();
    let mut segments = Vec::new();
    for segment in &partition.segments {
        let folder = folder_of(&roots, &partition.table_id, &segment.id)?;
        segments.push(Segment::look(SegmentFiles::find(folder, &segment.id)?, row_bytes)?);
    }
    Ok(segments)
}

/// A segment's folder. A root is a server's `storage.path`, or the `db` folder in it.
fn folder_of(roots: &[PathBuf], table: &str, segment: &str) -> Result<PathBuf> {
    let places = roots.iter().flat_map(|root| [root.join("db"), root.clone()]);
    let mut folders = places.map(|root| root.join("tables").join(table).join(segment));
    let first = folders.next();
    match first.iter().cloned().chain(folders).find(|folder| folder.is_dir()) {
        Some(folder) => Ok(folder),
        None => Err(Error::source(format!("The folder of segment {segment} is missing"))
            .at(first.map(|folder| name(&folder)).unwrap_or_default())
            .help("the metadata says that it holds rows: copy it along, or name the folder it is in by source.milvus1.extra_paths")),
    }
}

/// Cuts segments into splits of at most `most` rows; a split lies within one segment.
fn cut(segments: &[Segment], row_bytes: u64, most: u64) -> Vec<Split> {
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    let mut splits = Vec::new();
    let mut first_row = 0;
    for segment in segments {
        let mut start = 0;
        while start < segment.rows {
            let end = start.saturating_add(most).min(segment.rows);
            let rows = u64::from(end - start) - segment.deleted.range_cardinality(start..end);
            if rows > 0 {
                splits.push(Split {
                    index: u32::try_from(splits.len()).unwrap_or(u32::MAX),
                    first_row,
                    rows,
                    bytes: rows * row_bytes,
                    location: Split::locate(&Location { files: segment.files.clone(), start, end }),
                });
                first_row += rows;
            }
            start = end;
        }
    }
    splits
}
