//! `manifest.json` of a dump: all collections that it has, with what they are beyond their rows. It is
//! written last, when all rows are there and counted, so a folder without it is no dump yet.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::folder::Folder;
use super::manifest::{FORMAT, LARGEST, Manifest, Partition, TOOL, check_name, is_ours, now};
use crate::error::{Error, Result};
use crate::milvus::v2::definition::DEFINITION;
use crate::sink::TableToWrite;
use crate::sink::files::names::{MANIFEST, encode};
use crate::store::Place;
use crate::table::{Checksum, Part};

/// Tells the manifest of a dump from that of a table.
const KIND: &str = "dump";

/// All that a dump has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dump {
    /// `dump`.
    pub kind: String,
    /// Version of this file's form.
    pub format: u32,
    /// The program that wrote it, and its version.
    pub tool: String,
    /// When it was complete (RFC 3339, UTC).
    pub created: String,
    /// Which run made it.
    pub run: String,
    /// Rows of all collections.
    pub rows: u64,
    /// Its databases, by name.
    pub databases: Vec<Database>,
}

/// A database of a dump.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Its name; none where the source has no databases, or one was read alone.
    pub name: Option<String>,
    /// Its folder; none where collections lie in that of the dump.
    pub folder: Option<String>,
    /// Its collections, by name.
    pub collections: Vec<Collection>,
}

/// A collection of a dump.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// Its folder, in that of its database.
    pub folder: String,
    /// True when all its partitions are here, and not some that were named.
    pub whole: bool,
    /// Rows of all its partitions.
    pub rows: u64,
    /// The checksum over the rows of all its partitions, which `docs/verify.md` defines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// Fields, indexes, aliases, properties, as `schemas/arrow.md` has them. Counts when it is read
    /// again, and not what the files say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Value>,
    /// Its partitions.
    pub partitions: Vec<Partition>,
}

/// A table that a dump will have.
#[derive(Debug, Clone)]
pub struct Dumped {
    /// Where it lies.
    pub folder: Folder,
    /// What it is.
    pub table: TableToWrite,
}

impl Dump {
    /// Reads the manifest in a folder; `None` where it holds no dump.
    ///
    /// # Errors
    /// When it is one, but not understood in all its parts, or at odds with itself.
    pub fn read(folder: &Place) -> Result<Option<Dump>> {
        let path = folder.join(MANIFEST);
        match path.read(LARGEST)? {
            Some(text) => Dump::parse(&text).map_err(|error| error.at(&path)),
            None => Ok(None),
        }
    }

    fn parse(text: &[u8]) -> Result<Option<Dump>> {
        let value: Value = serde_json::from_slice(text).map_err(|error| {
            Error::source("The manifest is not valid JSON").because(error).help(
                "take back what was changed by hand; if it is another program's, move it away",
            )
        })?;
        if !is_ours(&value) || value["kind"].is_null() {
            return Ok(None);
        }
        if value["kind"] != KIND || value["format"] != FORMAT {
            return Err(Error::source(format!(
                "The manifest is of kind {} and form {}, this version of {} reads kind \"{KIND}\" and form {FORMAT}",
                value["kind"],
                value["format"],
                env!("CARGO_PKG_NAME")
            ))
            .help("use the version that wrote it, or a later one"));
        }
        let dump = Dump::deserialize(value).map_err(|error| {
            Error::source("The manifest is damaged, or says what this version does not know")
                .because(error)
                .help("use the version that wrote it, or take back what was changed by hand")
        })?;
        dump.check()?;
        Ok(Some(dump))
    }

    /// Makes sure that names stay in the folder and numbers add up.
    fn check(&self) -> Result<()> {
        let mut all = Vec::new();
        for database in &self.databases {
            database.folder.iter().try_for_each(|folder| check_name(folder))?;
            for collection in &database.collections {
                check_name(&collection.folder)?;
                collection.check()?;
                all.push(collection.rows);
            }
        }
        adds_up("all collections", self.rows, all)
    }

    /// What these tables are, by the manifests of their collections.
    ///
    /// # Errors
    /// When one of them is not listed there.
    pub fn of(tables: &[Dumped], run: &str) -> Result<Dump> {
        let mut databases: BTreeMap<Option<&str>, BTreeMap<&str, Collection>> = BTreeMap::new();
        for Dumped { folder, table } in tables {
            let manifest = Manifest::read(&folder.table)?;
            let partition =
                manifest.and_then(|manifest| manifest.partition(&folder.partition).cloned());
            let partition = partition.ok_or_else(|| {
                Error::target("A table of the dump is not there any more")
                    .at(folder.path())
                    .help("something else works on this folder; dump into another one")
            })?;
            let collections = databases.entry(table.database.as_deref()).or_default();
            let collection = match collections.get_mut(table.collection.as_str()) {
                Some(collection) => collection,
                None => collections.entry(&table.collection).or_insert(Collection {
                    name: table.collection.clone(),
                    folder: encode(&table.collection)?,
                    whole: !matches!(table.part, Part::Named(_)),
                    rows: 0,
                    checksum: Some(Checksum::default()),
                    definition: definition(table),
                    partitions: Vec::new(),
                }),
            };
            collection.rows += partition.rows;
            let sums = partition.files.iter().map(|file| file.checksum);
            let sum: Option<Checksum> = sums.sum();
            collection.checksum = collection.checksum.zip(sum).map(|(all, more)| all + more);
            collection.partitions.push(partition);
        }
        let databases = databases.into_iter().map(|(name, collections)| {
            Ok(Database {
                name: name.map(str::to_owned),
                folder: name.map(encode).transpose()?,
                collections: collections.into_values().collect(),
            })
        });
        let databases: Vec<Database> = databases.collect::<Result<_>>()?;
        let rows = databases.iter().flat_map(|database| &database.collections).map(|c| c.rows);
        Ok(Dump {
            kind: KIND.to_owned(),
            format: FORMAT,
            tool: TOOL.to_owned(),
            created: now()?,
            run: run.to_owned(),
            rows: rows.sum(),
            databases,
        })
    }

    /// Writes the manifest into a folder in one step.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, folder: &Place) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::internal("The manifest does not serialise").because(error))?;
        text.push(b'\n');
        folder.join(MANIFEST).replace(&text)
    }
}

impl Collection {
    /// Makes sure that names stay in the folder, that no file is listed twice, and that numbers add up.
    fn check(&self) -> Result<()> {
        let mut sum = Some(Checksum::default());
        for partition in &self.partitions {
            partition.check_names()?;
            let name = format!("{}/{}", self.name, partition.folder);
            let mut names = BTreeSet::new();
            if let Some(file) = partition.files.iter().find(|file| !names.insert(&file.name)) {
                return Err(Error::source(format!(
                    "The manifest lists {} of {name} twice",
                    file.name
                )));
            }
            adds_up(&name, partition.rows, partition.files.iter().map(|file| file.rows))?;
            let more: Option<Checksum> = partition.files.iter().map(|file| file.checksum).sum();
            sum = sum.zip(more).map(|(sum, more)| sum + more);
        }
        adds_up(&self.name, self.rows, self.partitions.iter().map(|partition| partition.rows))?;
        match (self.checksum, sum) {
            (Some(stated), Some(sum)) if stated != sum => Err(Error::source(format!(
                "The manifest says that {} has the checksum {stated}, the files it lists have {sum}",
                self.name
            ))),
            _ => Ok(()),
        }
    }
}

/// Refuses a number of rows that is not the sum of its parts.
fn adds_up(what: &str, stated: u64, parts: impl IntoIterator<Item = u64>) -> Result<()> {
    let sum = parts.into_iter().try_fold(0u64, u64::checked_add);
    match sum {
        Some(sum) if sum == stated => Ok(()),
        Some(sum) => Err(Error::source(format!(
            "The manifest says {stated} rows of {what}, the parts it lists have {sum}"
        ))),
        None => {
            Err(Error::source(format!("The manifest lists more rows of {what} than there can be")))
        }
    }
}

/// The collection's definition, where its rows bring it along.
fn definition(table: &TableToWrite) -> Option<Value> {
    serde_json::from_str(table.schema.arrow().metadata().get(DEFINITION)?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dump() -> Value {
        json!({
            "kind": "dump", "format": 1, "tool": "vecpipe 0.1.0", "created": "2026-01-01T00:00:00Z",
            "run": "r", "rows": 3,
            "databases": [{ "name": "default", "folder": "default", "collections": [{
                "name": "c", "folder": "c", "whole": true, "rows": 3,
                "checksum": "00000000000000000000000000000007",
                "partitions": [{
                    "name": "p", "folder": "p", "source": "s", "metric": null,
                    "created": "2026-01-01T00:00:00Z", "rows": 3, "schema": [],
                    "files": [{
                        "name": "part-00000.parquet", "rows": 3, "bytes": 10,
                        "checksum": "00000000000000000000000000000007",
                    }],
                }],
            }] }],
        })
    }

    fn parse(change: impl FnOnce(&mut Value)) -> Result<Option<Dump>> {
        let mut value = dump();
        change(&mut value);
        Dump::parse(value.to_string().as_bytes())
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let dump = parse(|_| {}).unwrap().unwrap();
        let text = serde_json::to_vec(&dump).unwrap();
        assert_eq!(Dump::parse(&text).unwrap().unwrap(), dump);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (pointer, value, words) in [
            ("/format", json!(2), "form 2"),
            ("/kind", json!("archive"), "kind \"archive\""),
            ("/encryption", json!("aes"), "unknown field `encryption`"),
            ("/databases/0/collections/0/shards", json!(2), "unknown field `shards`"),
            ("/databases/0/collections/0/partitions/0/x", json!(2), "unknown field `x`"),
            ("/databases/0/collections/0/partitions/0/files/0/x", json!(2), "unknown field `x`"),
        ] {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let error = parse(|dump| dump.pointer_mut(parent).unwrap()[key] = value).unwrap_err();
            assert!(error.to_string().contains(words), "{pointer}: {error}");
        }
    }

    #[test]
    fn numbers_that_do_not_add_up_and_names_that_leave_the_folder_are_refused() {
        for (pointer, value, words) in [
            ("/rows", json!(4), "4 rows of all collections, the parts it lists have 3"),
            ("/databases/0/collections/0/rows", json!(2), "2 rows of c"),
            ("/databases/0/collections/0/partitions/0/files/0/rows", json!(2), "3 rows of c/p"),
            (
                "/databases/0/collections/0/partitions/0/files/0/rows",
                json!(u64::MAX),
                "3 rows of c/p",
            ),
            ("/databases/0/collections/0/checksum", json!("1".repeat(32)), "has the checksum 1111"),
            ("/databases/0/folder", json!(".."), "not a plain"),
            ("/databases/0/collections/0/folder", json!("/etc"), "not a plain"),
            ("/databases/0/collections/0/partitions/0/files/0/name", json!("a/b"), "not a plain"),
        ] {
            let error = parse(|dump| *dump.pointer_mut(pointer).unwrap() = value).unwrap_err();
            assert!(error.to_string().contains(words), "{pointer}: {error}");
        }
    }

    #[test]
    fn a_file_that_is_listed_twice_and_rows_beyond_numbers_are_refused() {
        let partition = "/databases/0/collections/0/partitions/0";
        let twice = |rows: u64| {
            parse(|dump| {
                let files = dump.pointer_mut(partition).unwrap()["files"].as_array_mut().unwrap();
                files.push(json!({ "name": "part-00001.parquet", "rows": rows, "bytes": 1 }));
                if rows == 3 {
                    files[1]["name"] = files[0]["name"].clone();
                }
            })
        };
        assert!(twice(3).unwrap_err().to_string().contains("of c/p twice"));
        assert!(twice(u64::MAX).unwrap_err().to_string().contains("than there can be"));
    }

    #[test]
    fn manifests_of_tables_and_of_others_are_no_dumps() {
        for other in [json!({ "tool": "vecpipe 0.1.0", "format": 1 }), json!({ "kind": "dump" })] {
            assert!(Dump::parse(other.to_string().as_bytes()).unwrap().is_none());
        }
    }
}
