//! The plan of a source: each partition is a table, each segment a few splits.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::flow::blocking;
use crate::source::SourceTable;
use crate::source::cut::split_bytes;
use crate::source::files::name;
use crate::source::milvus1::Config;
use crate::source::milvus1::log::{Unflushed, unflushed};
use crate::source::milvus1::meta::{self, Catalog, Collection, Partition};
use crate::source::milvus1::rename::{self, partition_key, renamed, table_name};
use crate::source::milvus1::segment::{Segment, SegmentFiles};
use crate::table::{Part, Split, TableSchema};
use crate::words;

/// The name of the default partition.
pub const DEFAULT_PARTITION: &str = "_default";

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
        rename::check(&config, &catalog)?;
        let wanted = wanted(&config, &catalog)?;
        let unflushed = unflushed(&config.path, &catalog)?;
        let mut tables = Vec::new();
        for wanted in wanted {
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
    /// True when the user named it; else it comes with its collection.
    named: bool,
}

impl Wanted<'_> {
    fn part(&self, config: &Config) -> Part {
        let Wanted { collection, partition, named } = *self;
        let new = config.rename.get(&partition_key(collection, partition));
        let name = new.map_or(tag_of(partition), String::as_str).to_owned();
        match (named, collection.partitions.len()) {
            (true, _) => Part::Named(name),
            (false, 0 | 1) if new.is_none() => Part::Whole,
            (false, _) => Part::OfWhole(name),
        }
    }
}

/// The partitions to read, in the order in which they were made.
fn wanted<'a>(config: &Config, catalog: &'a Catalog) -> Result<Vec<Wanted<'a>>> {
    let Some(named) = &config.collections else {
        let all = catalog.collections.iter();
        let partitions = all.flat_map(|c| c.partitions.iter().map(move |p| (c, p)));
        let wanted = |(collection, partition)| Wanted { collection, partition, named: false };
        return Ok(partitions.map(wanted).collect());
    };
    let place = |error: Error| error.at("source.milvus1.collections");
    for (name, tags) in named {
        let Some(collection) = catalog.collections.iter().find(|c| c.name == *name) else {
            let names: Vec<_> = catalog.collections.iter().map(|c| c.name.as_str()).collect();
            return Err(place(
                Error::config(format!("There is no collection `{name}`"))
                    .help(format!("there are {}", list(&names))),
            ));
        };
        for tag in tags.iter().flatten() {
            if !collection.partitions.iter().any(|p| tag_of(p) == tag) {
                let tags: Vec<_> = collection.partitions.iter().map(tag_of).collect();
                return Err(place(
                    Error::config(format!("Collection `{name}` has no partition `{tag}`"))
                        .help(format!("it has {}", list(&tags))),
                ));
            }
        }
    }
    let mut all = Vec::new();
    for collection in &catalog.collections {
        let Some(tags) = named.get(&collection.name) else { continue };
        let tags = tags.as_ref().filter(|tags| !tags.is_empty());
        let is_wanted =
            |p: &&Partition| tags.is_none_or(|tags| tags.iter().any(|t| t == tag_of(p)));
        let named = tags.is_some();
        all.extend(collection.partitions.iter().filter(is_wanted).map(|partition| Wanted {
            collection,
            partition,
            named,
        }));
    }
    Ok(all)
}

/// A partition's tag, of the default one, too.
pub(super) fn tag_of(partition: &Partition) -> &str {
    partition.tag.as_deref().unwrap_or(DEFAULT_PARTITION)
}

fn list(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        _ => {
            let shown: Vec<_> = names.iter().take(20).map(|name| format!("`{name}`")).collect();
            let more = names.len() - shown.len();
            let more = if more > 0 {
                format!(" and {}", words::plural(more as u64, "other"))
            } else {
                String::new()
            };
            format!("{}{more}", shown.join(", "))
        }
    }
}

fn table(config: &Config, wanted: Wanted<'_>, lost: Option<Unflushed>) -> Result<SourceTable> {
    let Wanted { collection, partition, .. } = wanted;
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
        collection: renamed(config, &collection.name, &collection.name),
        part: wanted.part(config),
        renaming: Some(rename::keys(collection, partition)),
        splits: cut(&segments, row_bytes, split_bytes(bytes)),
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

/// Cuts segments into splits of about `split_bytes`; a split lies within one segment.
fn cut(segments: &[Segment], row_bytes: u64, split_bytes: u64) -> Vec<Split> {
    let most = u32::try_from((split_bytes / row_bytes.max(1)).max(1)).unwrap_or(u32::MAX);
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
