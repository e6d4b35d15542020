//! `manifest.json`: what a table's folder holds. It is written last, so what it lists is complete;
//! a part that it does not list does not count.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Error, Result};
use crate::sink::files::names::MANIFEST;
use crate::store::Place;
use crate::table::{Checksum, Metric, ROLE, TableSchema, VECTOR_TYPE};

/// The version of the manifest's form that this program writes and reads.
pub(super) const FORMAT: u32 = 1;

/// Bytes that a manifest may have, which are some hundred for each part.
pub(super) const LARGEST: u64 = 256 << 20;

/// What a manifest calls this program.
pub(super) const TOOL: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

/// The content of a table's folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this file's form.
    pub format: u32,
    /// The program that wrote it, and its version.
    pub tool: String,
    /// The table's (collection's) name, as it was before it became a folder's name.
    pub table: String,
    /// Its partitions, sorted by folder.
    pub partitions: Vec<Partition>,
}

/// One partition: one folder of Parquet files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// The partition's name; none for rows that belong to no partition.
    pub name: Option<String>,
    /// Its folder within the table's folder.
    pub folder: String,
    /// The source table that its rows came from.
    pub source: String,
    /// The metric of its vectors.
    pub metric: Option<Metric>,
    /// When it was completed (RFC 3339, UTC).
    pub created: String,
    /// Rows in all its files.
    pub rows: u64,
    /// Its columns, for people; the files carry their own schema.
    pub schema: Vec<Column>,
    /// Its files, in source order.
    pub files: Vec<PartFile>,
}

/// A column, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Arrow type.
    #[serde(rename = "type")]
    pub data_type: String,
    /// `id`, `vector` or `scalar`.
    pub role: String,
    /// Element type, for a vector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<String>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartFile {
    /// Name within the partition's folder.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// The checksum of its rows, which `docs/verify.md` defines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
}

impl Manifest {
    /// An empty one for `table`.
    pub fn new(table: &str) -> Self {
        Manifest {
            format: FORMAT,
            tool: TOOL.to_owned(),
            table: table.to_owned(),
            partitions: Vec::new(),
        }
    }

    /// The manifest in a table's folder; `None` when there is none of ours.
    ///
    /// # Errors
    /// When it is ours but damaged, of a newer form, or names files outside the folder.
    pub fn read(folder: &Place) -> Result<Option<Manifest>> {
        let path = folder.join(MANIFEST);
        let Some(text) = path.read(LARGEST)? else { return Ok(None) };
        let Ok(value) = serde_json::from_slice::<Value>(&text) else {
            return Err(Error::source("The manifest is not valid JSON")
                .at(&path)
                .help("it is damaged, or another program's; move it away"));
        };
        // That of a dump is of another kind.
        if !is_ours(&value) || !value["kind"].is_null() {
            return Ok(None);
        }
        if value["format"] != FORMAT {
            return Err(Error::source(format!(
                "The manifest has form {}, this version of {} reads form {FORMAT}",
                value["format"],
                env!("CARGO_PKG_NAME")
            ))
            .at(&path)
            .help("use the version that wrote it, or a later one"));
        }
        let manifest = Manifest::deserialize(value)
            .map_err(|error| Error::source("The manifest is damaged").because(error).at(&path))?;
        manifest.check_names().map_err(|error| error.at(&path))?;
        Ok(Some(manifest))
    }

    /// Writes the manifest into a table's folder in one step.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, folder: &Place) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::internal("The manifest does not serialise").because(error))?;
        text.push(b'\n');
        folder.join(MANIFEST).replace(&text)
    }

    /// The entry of a partition's folder.
    pub fn partition(&self, folder: &str) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.folder == folder)
    }

    /// Puts `partition` in the place of the entry for its folder.
    pub fn put(&mut self, partition: Partition) {
        self.partitions.retain(|other| other.folder != partition.folder);
        self.partitions.push(partition);
        self.partitions.sort_by(|a, b| a.folder.cmp(&b.folder));
    }

    fn check_names(&self) -> Result<()> {
        self.partitions.iter().try_for_each(Partition::check_names)
    }
}

impl Partition {
    /// Whoever edits a manifest must not make us read or remove files elsewhere.
    pub(super) fn check_names(&self) -> Result<()> {
        check_name(&self.folder)?;
        self.files.iter().try_for_each(|file| check_name(&file.name))
    }
}

/// True when this program, in any version, wrote a manifest.
pub(super) fn is_ours(manifest: &Value) -> bool {
    manifest["tool"].as_str().is_some_and(|tool| tool.starts_with(env!("CARGO_PKG_NAME")))
}

/// Refuses a name that is more than that of one file or folder.
pub(super) fn check_name(name: &str) -> Result<()> {
    let mut components = Path::new(name).components();
    let plain =
        matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
    if plain && !name.ends_with('/') {
        return Ok(());
    }
    Err(Error::source(format!(
        "The manifest names `{name}`, which is not a plain file or folder name"
    )))
}

/// The time, as manifests have it.
pub(super) fn now() -> Result<String> {
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).ok();
    let now = now.and_then(|now| now.format(&Rfc3339).ok());
    now.ok_or_else(|| Error::internal("The clock's time has no date"))
}

/// The columns of a schema, for people.
pub fn columns(schema: &TableSchema) -> Vec<Column> {
    let meta = |field: &arrow::datatypes::Field, key| field.metadata().get(key).cloned();
    schema
        .arrow()
        .fields()
        .iter()
        .map(|field| Column {
            name: field.name().clone(),
            data_type: field.data_type().to_string(),
            role: meta(field, ROLE).unwrap_or_else(|| "scalar".to_owned()),
            vector: meta(field, VECTOR_TYPE),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Option<Manifest>> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MANIFEST), text).unwrap();
        Manifest::read(&Place::Local(dir.path().into()))
    }

    #[test]
    fn another_programs_manifest_is_not_ours() {
        assert!(read_text(r#"{"tool": "other", "format": 7}"#).unwrap().is_none());
        assert!(Manifest::read(&Place::Local("/nowhere".into())).unwrap().is_none());
    }

    #[test]
    fn a_newer_or_damaged_manifest_is_refused() {
        let newer = read_text(r#"{"tool": "vecpipe 9.0.0", "format": 2}"#).unwrap_err();
        assert!(newer.to_string().contains("has form 2"), "{newer}");
        assert!(read_text("{").unwrap_err().to_string().contains("not valid JSON"));
        let damaged = read_text(r#"{"tool": "vecpipe 0.1.0", "format": 1}"#).unwrap_err();
        assert!(damaged.to_string().contains("damaged"), "{damaged}");
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in ["../x", "/etc/passwd", "a/b", "..", ".", ""] {
            let mut manifest = Manifest::new("t");
            manifest.put(Partition {
                name: None,
                folder: "_default".to_owned(),
                source: "s".to_owned(),
                metric: None,
                created: String::new(),
                rows: 0,
                schema: Vec::new(),
                files: vec![PartFile { name: name.to_owned(), rows: 0, bytes: 0, checksum: None }],
            });
            let text = serde_json::to_string(&manifest).unwrap();
            assert!(read_text(&text).unwrap_err().to_string().contains("not a plain"), "{name}");
        }
    }
}
