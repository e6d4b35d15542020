//! What lies in a table's folder, and how new files take the place of old ones.
//!
//! 1. The new files are written under hidden names (`.p.h5.tmp`, `.p-00001.h5.tmp`, …).
//! 2. When all are whole and durable, `.p.yaml` is written, which lists them. From here on the
//!    table is the new one, whatever happens.
//! 3. `p.yaml` is removed, the new files get their names, the old ones that have none of these
//!    names are removed, and `.p.yaml` becomes `p.yaml`.
//!
//! While a table is written, its whole files are called `.p-00001.h5.whole`: a run that goes on
//! with it keeps them.
//!
//! A program that ends before step 2 leaves the old table and hidden files, which the next run
//! removes or goes on with. One that ends within step 3 leaves `.p.yaml`, and the next run does the
//! rest of it. So files without `p.yaml` beside them are no whole table.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::sink::hdf5::h2m;
use crate::sink::hdf5::names::{File, Names};
use crate::store::{self, io_error, sync_folder};

/// What a table's folder holds.
#[derive(Debug, Default)]
pub struct Content {
    /// The names of the table's files, in order; none where there is no table.
    pub listed: Option<Vec<String>>,
    /// True when a run ended before all its files had their names.
    pub half_renamed: bool,
    /// Files of such names that no list names.
    pub unlisted: Vec<String>,
}

/// Looks at the folder; opens no file of rows.
///
/// # Errors
/// When it can't be read, or a list is damaged.
pub fn look(names: &Names) -> Result<Content> {
    let coming = h2m::read(names, &names.coming_list())?;
    let half_renamed = coming.is_some();
    let listed = match coming {
        Some(files) => Some(files),
        None => h2m::read(names, &names.list())?,
    };
    let mut unlisted = files(names, File::Rows)?;
    unlisted.retain(|name| !listed.iter().flatten().any(|listed| listed == name));
    // Old files that were about to go.
    if half_renamed {
        unlisted.clear();
    }
    Ok(Content { listed, half_renamed, unlisted })
}

impl Content {
    /// Where the table's files lie now.
    pub fn paths(&self, names: &Names) -> Vec<PathBuf> {
        let hidden = |name: &String| {
            let hidden = names.unfinished(name);
            let is_there = self.half_renamed && hidden.exists();
            if is_there { hidden } else { names.path(name) }
        };
        self.listed.iter().flatten().map(hidden).collect()
    }
}

/// Makes the hidden `files` the table; `list` is the text of their YAML. After an error the table
/// is the old one, or the next run makes it the new one.
///
/// # Errors
/// When the file system refuses.
pub fn commit(names: &Names, files: &[String], list: &str, unfinished: Unfinished) -> Result<()> {
    let coming = names.coming_list();
    if let Err(error) = store::replace(&coming, list.as_bytes()) {
        let _ = fs::remove_file(&coming);
        return Err(error);
    }
    unfinished.keep();
    put_in_place(names, files)
}

/// Gives the files that `.p.yaml` lists their names, and removes all others of the table.
///
/// # Errors
/// When the file system refuses; the next run goes on.
pub fn put_in_place(names: &Names, listed: &[String]) -> Result<()> {
    remove(names.list())?;
    for name in listed {
        let (hidden, path) = (names.unfinished(name), names.path(name));
        match fs::rename(&hidden, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.exists() => {}
            done => done.map_err(|error| io_error("rename the finished file", &path, error))?,
        }
    }
    for name in files(names, File::Rows)?.iter().filter(|name| !listed.contains(name)) {
        remove(names.path(name))?;
    }
    sync_folder(names.folder())?;
    fs::rename(names.coming_list(), names.list())
        .map_err(|error| io_error("rename the finished list", &names.list(), error))?;
    sync_folder(names.folder())
}

/// Removes the files that runs which did not complete left half-written.
///
/// # Errors
/// When the file system refuses.
pub fn sweep(names: &Names) -> Result<()> {
    files(names, File::Unfinished)?.iter().try_for_each(|name| remove(names.path(name)))
}

/// Removes the whole files, too, that such runs left to be gone on with.
///
/// # Errors
/// When the file system refuses.
pub fn sweep_all(names: &Names) -> Result<()> {
    sweep(names)?;
    files(names, File::Whole)?.iter().try_for_each(|name| remove(names.path(name)))
}

/// Tells the list of a table from any other one: nothing where there is none.
///
/// # Errors
/// When the file system refuses.
pub fn list_mark(names: &Names) -> Result<Option<(u64, i64, i64)>> {
    match fs::metadata(names.list()) {
        Ok(facts) => Ok(Some((facts.ino(), facts.mtime(), facts.mtime_nsec()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("look at the list", &names.list(), error)),
    }
}

/// Removes the hidden files of a run when it is given up.
#[derive(Debug)]
pub struct Unfinished(Option<Names>);

impl Unfinished {
    /// Watches over the hidden files of these names.
    pub fn of(names: &Names) -> Unfinished {
        Unfinished(Some(names.clone()))
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(names) = &self.0 {
            // Nobody is left to hear of a failure; the next run sweeps, too.
            let _ = sweep(names);
        }
    }
}

/// The paths of every file of rows of the table, in place or not.
///
/// # Errors
/// When the folder cannot be listed.
pub fn all_files(names: &Names) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for sort in [File::Rows, File::Unfinished, File::Whole] {
        all.extend(files(names, sort)?.iter().map(|name| names.path(name)));
    }
    Ok(all)
}

fn files(names: &Names, sort: File) -> Result<Vec<String>> {
    let unreadable = |error| io_error("list the folder", names.folder(), error);
    let entries = match fs::read_dir(names.folder()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let all: io::Result<Vec<_>> = entries.map(|entry| entry.map(|e| e.file_name())).collect();
    // A name that is not UTF-8 is not one of ours.
    let mut ours: Vec<String> = all
        .map_err(unreadable)?
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .filter(|name| names.parse(name) == Some(sort))
        .collect();
    ours.sort();
    Ok(ours)
}

fn remove(path: PathBuf) -> Result<()> {
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove the old file", &path, error))
        }
        _ => Ok(()),
    }
}

/// What is said of files that may not be a whole table.
pub fn not_listed(names: &Names, unlisted: &[String]) -> Error {
    Error::target(format!(
        "{} files, {} for one, are listed by no `{}`",
        unlisted.len(),
        unlisted.first().map_or("", String::as_str),
        names.list().file_name().unwrap_or_default().display()
    ))
    .at(names.folder().display())
    .help("they may be incomplete, or another program's; move them away, or use `mode: overwrite`")
}
