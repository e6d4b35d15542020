//! Which files are read, in which order, and how a changed file is told from the planned one.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::source::hdf5::Config;

/// Names that a folder's HDF5 files end in.
const EXTENSIONS: [&str; 3] = ["h5", "hdf5", "he5"];

/// Size and time of a file when the plan was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Last modification, in nanoseconds since 1970.
    modified: i64,
}

impl Stamp {
    /// The stamp of the file as it is now.
    ///
    /// # Errors
    /// When there is no such file, or it is not a plain one.
    pub fn of(path: &Path) -> Result<Stamp> {
        let facts = std::fs::metadata(path)
            .map_err(|error| Error::source("Cannot open the file").because(error))?;
        if !facts.is_file() {
            return Err(Error::source("Not a file").help(
                "name the files, give a pattern like `folder/*.h5`, or use `dir` for a folder",
            ));
        }
        let modified =
            facts.mtime().saturating_mul(1_000_000_000).saturating_add(facts.mtime_nsec());
        Ok(Stamp { size: facts.size(), modified })
    }

    /// Checks that the file is still the one that was planned.
    ///
    /// # Errors
    /// When its size or time differ, or it is gone.
    pub fn check(self, path: &Path) -> Result<()> {
        if Stamp::of(path)? == self {
            return Ok(());
        }
        Err(Error::source("The file changed after the run was planned")
            .help("let whatever writes it finish, then run again"))
    }
}

/// A path as error messages show it.
pub fn name(path: &Path) -> String {
    path.display().to_string()
}

/// The files of a configuration, in order.
///
/// # Errors
/// A file that does not exist, a pattern or a folder without files, a file that is named twice.
pub fn find(config: &Config) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in &config.paths {
        let literal = Path::new(path);
        if path.contains(['*', '?', '[']) && !literal.exists() {
            files.extend(matching(path)?);
        } else {
            files.push(literal.to_owned());
        }
    }
    if let Some(dir) = &config.dir {
        files.extend(in_folder(dir)?);
    }
    once_each(&files)?;
    Ok(files)
}

fn matching(pattern: &str) -> Result<Vec<PathBuf>> {
    let paths = glob::glob(pattern).map_err(|error| {
        Error::config(format!("`{pattern}` is not a pattern"))
            .because(error)
            .at("source.hdf5.paths")
    })?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| Error::source("Cannot look for files").because(error))?;
        if path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::source(format!("No file matches `{pattern}`")).at("source.hdf5.paths"));
    }
    files.sort();
    Ok(files)
}

fn in_folder(dir: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error| Error::source("Cannot list the folder").because(error).at(name(dir));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if EXTENSIONS.iter().any(|e| extension.eq_ignore_ascii_case(e)) && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::source("The folder holds no .h5, .hdf5 or .he5 file").at(name(dir)));
    }
    files.sort();
    Ok(files)
}

/// Overlapping patterns would move a file's rows twice.
fn once_each(files: &[PathBuf]) -> Result<()> {
    let mut seen = HashMap::new();
    for path in files {
        if path.to_str().is_none() {
            return Err(Error::source("The file's name is not UTF-8")
                .at(name(path))
                .help("rename it, or read it through a link with another name"));
        }
        let real = path
            .canonicalize()
            .map_err(|error| Error::source("Cannot open the file").because(error).at(name(path)))?;
        if let Some(first) = seen.insert(real, path) {
            let both = if first == path {
                "The file is named twice".to_owned()
            } else {
                format!("`{}` and `{}` are the same file", first.display(), path.display())
            };
            return Err(Error::source(both)
                .at(name(path))
                .help("its rows would arrive twice: name each file once"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(paths: &[&str], dir: Option<&Path>) -> Config {
        Config {
            paths: paths.iter().map(|&p| p.to_owned()).collect(),
            dir: dir.map(Path::to_owned),
            ..Config::default()
        }
    }

    #[test]
    fn files_come_in_the_order_of_the_paths_and_sorted_within_one() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["b.h5", "a.hdf5", "c.HE5", "notes.txt", "z[1].h5"] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        let names = |files: Vec<PathBuf>| -> Vec<String> {
            files.iter().map(|f| f.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        let files = find(&config(&[], Some(dir.path()))).unwrap();
        assert_eq!(names(files), ["a.hdf5", "b.h5", "c.HE5", "z[1].h5"]);
        let at = |file: &str| dir.path().join(file).display().to_string();
        let files = find(&config(&[&at("z[1].h5"), &at("[bc].*")], None)).unwrap();
        assert_eq!(names(files), ["z[1].h5", "b.h5", "c.HE5"]);
        let twice = find(&config(&[&at("b.h5"), &at("*.h5")], None)).unwrap_err();
        assert!(twice.to_string().starts_with("The file is named twice"), "{twice}");
    }
}
