//! From `paths` to tables: files, folders and patterns; folders that vecpipe wrote say themselves
//! which tables they hold.

use std::collections::HashSet;
use std::path::Path;

use glob::MatchOptions;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::milvus::DEFAULT_PARTITION;
use crate::sink::parquet::dump::Dump;
use crate::sink::parquet::manifest::{Manifest, PartFile, Partition};
use crate::source::Renaming;
use crate::store::{Entry, Place, Stores};
use crate::table::{Metric, Part};

/// Folders within folders, beyond which a link that points upwards is likelier than a real tree.
const DEEPEST: usize = 32;

/// A table that was found: its files, not yet opened.
#[derive(Debug)]
pub struct Found {
    /// Name for people.
    pub name: String,
    /// The database that its collection is in, where a dump says so.
    pub database: Option<String>,
    /// The collection it would be.
    pub collection: String,
    /// What a dump says of the collection: counts instead of what the files say.
    pub definition: Option<Value>,
    /// True when a manifest lists it.
    pub is_listed: bool,
    /// How it is given another name.
    pub renaming: Option<Renaming>,
    /// Which part of that collection it is.
    pub part: Part,
    /// The metric that a manifest states.
    pub metric: Option<Metric>,
    /// Its files in source order, never empty.
    pub files: Vec<FoundFile>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// One file.
#[derive(Debug)]
pub struct FoundFile {
    /// Where it is.
    pub path: Place,
    /// What a manifest states of it.
    pub stated: Option<PartFile>,
}

/// Finds the tables behind `paths`. Opens no data file.
///
/// Each partition that a manifest lists is a table. All other files together are one more table,
/// named after the first of `paths`.
///
/// # Errors
/// [`Kind::Source`](crate::error::Kind::Source) when a path does not exist, a pattern matches
/// nothing, or two tables would have the same name; and where `dumps` are wanted and there is none.
pub fn find(stores: &Stores, paths: &[String], dumps: bool) -> Result<Vec<Found>> {
    let mut finder = Finder { dumps, ..Finder::default() };
    for path in paths {
        let before = (finder.tables.len(), finder.files.len());
        let (first_name, entries) = expand(stores, path)?;
        for (entry, is_folder) in entries {
            finder.look(&entry, is_folder, 0)?;
        }
        if (finder.tables.len(), finder.files.len()) == before {
            return Err(Error::source("There are no Parquet files here").at(path).help(
                "files in a folder are taken when their names end in .parquet and do not start with a dot",
            ));
        }
        if finder.plain_name.is_none() && finder.files.len() > before.1 {
            finder.plain_name = Some(first_name);
        }
    }
    finder.into_tables()
}

/// The tables in one folder; none when there are no Parquet files in it.
///
/// # Errors
/// When a folder or a manifest can't be read.
pub fn find_in(folder: &Place) -> Result<Vec<Found>> {
    let mut finder = Finder { plain_name: Some(name_of(folder, true)), ..Finder::default() };
    finder.look(folder, true, 0)?;
    finder.into_tables()
}

/// The files and folders that one of `paths` stands for, and a name for them. With each, whether it is a
/// folder.
fn expand(stores: &Stores, path: &str) -> Result<(String, Vec<(Place, bool)>)> {
    let literal = stores.place(path)?;
    if matches!(literal, Place::Remote(_)) && path.contains(['*', '?']) {
        return Err(Error::config(format!(
            "`{path}` is a pattern, and there are none for object stores"
        ))
        .help("name the place above: all objects below it are read whose names end in .parquet"));
    }
    if let Some(facts) = literal.facts()? {
        return Ok((name_of(&literal, facts.is_folder), vec![(literal, facts.is_folder)]));
    }
    if matches!(literal, Place::Remote(_)) {
        return Err(Error::source(format!("There is no object `{path}`, and none below it")));
    }
    if !path.contains(['*', '?', '[']) {
        return Err(Error::source(format!("There is no file or folder `{path}`")));
    }
    let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
    let matches = glob::glob_with(path, options).map_err(|error| {
        Error::config(format!("`{path}` is not a valid pattern")).because(error)
    })?;
    let mut entries = Vec::new();
    for entry in matches {
        entries.push(entry.map_err(|error| Error::source("Cannot read a folder").because(error))?);
    }
    if entries.is_empty() {
        return Err(Error::source(format!("No file matches the pattern `{path}`")));
    }
    let parent = entries[0].parent().unwrap_or(Path::new("."));
    let name = name_of(&Place::Local(parent.to_owned()), true);
    let entries = entries.into_iter().map(|path| {
        let is_folder = path.is_dir();
        (Place::Local(path), is_folder)
    });
    Ok((name, entries.collect()))
}

/// A table's name after a folder or file; `.` and the like are resolved first.
fn name_of(place: &Place, is_folder: bool) -> String {
    let full = match place {
        Place::Local(path) => Place::Local(path.canonicalize().unwrap_or_else(|_| path.clone())),
        Place::Remote(_) => place.clone(),
    };
    let name = full.name().unwrap_or_else(|| "parquet".to_owned());
    match name.rsplit_once('.') {
        Some((stem, _)) if !is_folder && !stem.is_empty() => stem.to_owned(),
        _ => name,
    }
}

/// What a manifest's partitions are of.
struct Owner {
    database: Option<String>,
    table: String,
    definition: Option<Value>,
    /// Whether all its partitions are there, where that is stated.
    whole: Option<bool>,
}

impl Owner {
    fn name(&self) -> String {
        match &self.database {
            Some(database) => format!("{database}/{}", self.table),
            None => self.table.clone(),
        }
    }
}

#[derive(Default)]
struct Finder {
    /// True when nothing but dumps is taken.
    dumps: bool,
    tables: Vec<Found>,
    files: Vec<Place>,
    plain_name: Option<String>,
}

impl Finder {
    fn look(&mut self, path: &Place, is_folder: bool, depth: usize) -> Result<()> {
        if !is_folder {
            if self.dumps {
                return Err(no_dump(path));
            }
            self.files.push(path.clone());
            return Ok(());
        }
        if depth > DEEPEST {
            return Err(Error::source(format!("Folders are nested more than {DEEPEST} deep"))
                .at(path)
                .help("is there a link that points to a folder above it?"));
        }
        if let Some(dump) = Dump::read(path)? {
            return self.dumped(path, dump);
        }
        if self.dumps {
            return Err(no_dump(path));
        }
        if let Some(Manifest { table, partitions, .. }) = Manifest::read(path)? {
            return self.listed(
                path,
                &Owner { database: None, table, definition: None, whole: None },
                partitions,
            );
        }
        for Entry { name, is_folder } in visible(path)? {
            // `.parquet` alone would be hidden.
            if !is_folder && !name.ends_with(".parquet") {
                continue;
            }
            let below = path.join(&name);
            if name.contains(char::REPLACEMENT_CHARACTER) && below.facts()?.is_none() {
                return Err(Error::source("The name is not UTF-8")
                    .at(below)
                    .help("rename it, or read it through a link with another name"));
            }
            self.look(&below, is_folder, depth + 1)?;
        }
        Ok(())
    }

    fn dumped(&mut self, folder: &Place, dump: Dump) -> Result<()> {
        for database in dump.databases {
            let folder = database.folder.map_or(folder.clone(), |name| folder.join(&name));
            for collection in database.collections {
                let owner = Owner {
                    database: database.name.clone(),
                    table: collection.name,
                    definition: collection.definition,
                    whole: Some(collection.whole),
                };
                self.listed(&folder.join(&collection.folder), &owner, collection.partitions)?;
            }
        }
        Ok(())
    }

    fn listed(&mut self, folder: &Place, owner: &Owner, partitions: Vec<Partition>) -> Result<()> {
        // Whoever named partitions to stage them left out the default one.
        let has_default = || {
            partitions.iter().any(|partition| match &partition.name {
                Some(name) => name == DEFAULT_PARTITION,
                None => true,
            })
        };
        let whole = owner.whole.unwrap_or_else(has_default);
        for partition in partitions {
            let place = folder.join(&partition.folder);
            let name = match &partition.name {
                Some(partition) => format!("{}/{partition}", owner.name()),
                None => owner.name(),
            };
            if partition.files.is_empty() {
                return Err(
                    Error::source(format!("The manifest lists no files for {name}")).at(folder)
                );
            }
            let listed: HashSet<_> =
                partition.files.iter().map(|file| file.name.as_str()).collect();
            let others = visible(&place)?;
            let is_other = |entry: &&Entry| !listed.contains(entry.name.as_str());
            let others = others.iter().filter(is_other).count();
            let notes = match others {
                0 => Vec::new(),
                n => vec![format!(
                    "{n} files in {place} are not listed in its manifest and are passed over"
                )],
            };
            self.tables.push(Found {
                name,
                database: owner.database.clone(),
                collection: owner.table.clone(),
                definition: owner.definition.clone(),
                is_listed: true,
                renaming: None,
                part: match partition.name {
                    None => Part::Whole,
                    Some(name) if whole => Part::OfWhole(name),
                    Some(name) => Part::Named(name),
                },
                metric: partition.metric,
                files: partition
                    .files
                    .into_iter()
                    .map(|file| FoundFile { path: place.join(&file.name), stated: Some(file) })
                    .collect(),
                notes,
            });
        }
        Ok(())
    }

    fn into_tables(mut self) -> Result<Vec<Found>> {
        if let (false, Some(name)) = (self.files.is_empty(), self.plain_name) {
            let files = self.files.into_iter().map(|path| FoundFile { path, stated: None });
            self.tables.push(Found {
                database: None,
                collection: name.clone(),
                definition: None,
                is_listed: false,
                renaming: None,
                name,
                part: Part::Whole,
                metric: None,
                files: files.collect(),
                notes: Vec::new(),
            });
        }
        let mut names = HashSet::new();
        match self.tables.iter().find(|table| !names.insert(&table.name)) {
            Some(twice) => Err(Error::source(format!("Two tables are called `{}`", twice.name))
                .at(&twice.files[0].path)
                .help("read them in two runs")),
            None => Ok(self.tables),
        }
    }
}

fn no_dump(path: &Place) -> Error {
    Error::source("There is no dump here: a dump has a manifest.json")
        .at(path)
        .help("it is written last: run an interrupted `pipeline dump` again; other folders of Parquet files are moved by `pipeline run`")
}

/// A folder's entries in alphabetical order, without hidden ones.
fn visible(folder: &Place) -> Result<Vec<Entry>> {
    let mut entries = folder.entries()?;
    entries.retain(|entry| !entry.name.starts_with('.'));
    entries.sort();
    Ok(entries)
}
