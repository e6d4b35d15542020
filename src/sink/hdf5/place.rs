//! What lies in a table's folder, and how new files take the place of old ones.
//!
//! 1. The new files are written under hidden names, which carry the run's id (`.p.h5.<run>.tmp`,
//!    `.p-00001.h5.<run>.tmp`, …).
//! 2. When all are whole and durable, `.p.yaml` is written, which lists them. From here on the
//!    table is the new one, whatever happens.
//! 3. `p.yaml` is removed, the new files get their names, the old ones that have none of these
//!    names are removed, and `.p.yaml` becomes `p.yaml`.
//!
//! While a table is written, its whole files are called `.p-00001.h5.<run>.whole`: the run keeps them
//! when it is resumed.
//!
//! A program that ends before step 2 leaves the old table and hidden files, which belong to its run:
//! it goes on with them when it is resumed, and other runs leave them alone. One that ends within step 3 leaves `.p.yaml`, and the next run does the
//! rest of it. So files without `p.yaml` beside them are no whole table.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::ownership::Owner;
use crate::sink::Leftover;
use crate::sink::hdf5::h2m;
use crate::sink::hdf5::names::{File, Named, Names};
use crate::store::{self, io_error, sync_folder};

/// What a table's folder holds.
#[derive(Debug, Default)]
pub struct Content {
    /// The names of the table's files, in order; none where there is no table.
    pub listed: Option<Vec<String>>,
    /// True when a run ended before all its files had their names.
    pub half_renamed: bool,
    /// The runs whose rows are in the table, the one that wrote it at the end; none for one of an
    /// earlier version.
    pub runs: Vec<String>,
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
    let list = match coming {
        Some(list) => Some(list),
        None => h2m::read(names, &names.list())?,
    };
    let (listed, runs) = match list {
        Some(list) => (Some(list.files), list.runs),
        None => (None, Vec::new()),
    };
    let mut unlisted = files(names, |named| named.file == File::Rows)?;
    unlisted.retain(|name| !listed.iter().flatten().any(|listed| listed == name));
    // Old files that were about to go.
    if half_renamed {
        unlisted.clear();
    }
    Ok(Content { listed, half_renamed, runs, unlisted })
}

impl Content {
    /// The run that wrote the table; empty for one of an earlier version.
    pub fn run(&self) -> &str {
        self.runs.last().map_or("", String::as_str)
    }

    /// Where the table's files lie now.
    pub fn paths(&self, names: &Names) -> Vec<PathBuf> {
        let theirs = names.of_run(self.run());
        let hidden = |name: &String| {
            let hidden = theirs.unfinished(name);
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

/// Gives the files that `.p.yaml` lists, and the run of `names` wrote, their names, and removes all
/// others of the table.
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
    for name in
        files(names, |named| named.file == File::Rows)?.iter().filter(|name| !listed.contains(name))
    {
        remove(names.path(name))?;
    }
    sync_folder(names.folder())?;
    fs::rename(names.coming_list(), names.list())
        .map_err(|error| io_error("rename the finished list", &names.list(), error))?;
    sync_folder(names.folder())
}

/// Removes the files that the run of `names` left half-written.
///
/// # Errors
/// When the file system refuses.
pub fn sweep(names: &Names) -> Result<()> {
    let own =
        |named: &Named| named.file == File::Unfinished && named.run.as_deref() == Some(names.run());
    files(names, own)?.iter().try_for_each(|name| remove(names.path(name)))
}

/// Removes all hidden files of the run, and of those whose place it takes.
///
/// # Errors
/// When the file system refuses.
pub fn sweep_all(names: &Names, owner: &Owner) -> Result<()> {
    let own = |named: &Named| {
        named.file != File::Rows && named.run.as_ref().is_some_and(|run| owner.owns(run))
    };
    files(names, own)?.iter().try_for_each(|name| remove(names.path(name)))
}

/// The hidden files of a table, of any run. (Those that a list names which is about to take effect
/// are the table's.)
///
/// # Errors
/// When the folder can't be listed.
pub fn leftovers(names: &Names) -> Result<Vec<Leftover>> {
    let content = look(names)?;
    let leftover = |name: String| {
        let run = names.parse(&name).and_then(|named| named.run);
        let what = format!("file {}", names.path(&name).display());
        Leftover { what, name, run, rows: None }
    };
    let all = files(names, |named| named.file != File::Rows)?.into_iter().map(leftover);
    if !content.half_renamed {
        return Ok(all.collect());
    }
    let run = Some(content.run()).filter(|run| !run.is_empty()).map(str::to_owned);
    let mut all: Vec<_> = all.filter(|left| left.run != run).collect();
    let list = names.coming_list();
    let name = list.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let what = format!("file {}: a table that is complete, but for names", list.display());
    all.push(Leftover { what, name, run, rows: None });
    Ok(all)
}

/// Removes what [`leftovers`] found; or gives the files of a table that is complete their names.
///
/// # Errors
/// When the file system refuses.
pub fn clear(names: &Names, leftover: &Leftover) -> Result<()> {
    let path = names.path(&leftover.name);
    if path != names.coming_list() {
        return remove(path);
    }
    let content = look(names)?;
    match content.half_renamed {
        true => put_in_place(
            &names.of_run(content.run()),
            content.listed.as_deref().unwrap_or_default(),
        ),
        false => Ok(()),
    }
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
    Ok(files(names, |_| true)?.iter().map(|name| names.path(name)).collect())
}

/// The files of the table that are of one kind, sorted by name.
///
/// # Errors
/// When the folder can't be listed.
pub fn files(names: &Names, is_wanted: impl Fn(&Named) -> bool) -> Result<Vec<String>> {
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
        .filter(|name| names.parse(name).as_ref().is_some_and(&is_wanted))
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
