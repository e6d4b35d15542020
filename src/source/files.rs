//! Which files are read, in which order, and how a changed file is told from the planned one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
pub use crate::store::Stamp;

/// A path as error messages show it.
pub fn name(path: &Path) -> String {
    path.display().to_string()
}

/// The files that a configuration names, in order: plain names, and patterns, whose files come in
/// alphabetical order. `key` is the configuration's key, for errors.
///
/// # Errors
/// A pattern without files.
pub fn named(paths: &[String], key: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let literal = Path::new(path);
        if path.contains(['*', '?', '[']) && !literal.exists() {
            files.extend(matching(path).map_err(|error| error.at(key))?);
        } else {
            files.push(literal.to_owned());
        }
    }
    Ok(files)
}

fn matching(pattern: &str) -> Result<Vec<PathBuf>> {
    let paths = glob::glob(pattern)
        .map_err(|error| Error::config(format!("`{pattern}` is not a pattern")).because(error))?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| Error::source("Cannot look for files").because(error))?;
        if path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::source(format!("No file matches `{pattern}`")));
    }
    files.sort();
    Ok(files)
}

/// The files of a folder whose names end in one of `extensions`, in alphabetical order.
///
/// # Errors
/// When there is none, or the folder can't be listed.
pub fn in_folder(dir: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let unreadable = |error| Error::source("Cannot list the folder").because(error).at(name(dir));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if extensions.iter().any(|e| extension.eq_ignore_ascii_case(e)) && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        let wanted = extensions.iter().map(|e| format!(".{e}")).collect::<Vec<_>>().join(", ");
        return Err(Error::source(format!("The folder holds no {wanted} file")).at(name(dir)));
    }
    files.sort();
    Ok(files)
}

/// Checks that no file is there twice: overlapping patterns would move its rows twice.
///
/// # Errors
/// When one is, or a name can't be written down.
pub fn once_each(files: &[PathBuf]) -> Result<()> {
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

/// What a table of these files is called: the folder's name, the only file's, or the first one's.
pub fn table_name(files: &[PathBuf], dir: Option<&Path>) -> Option<String> {
    let stem = |path: &Path| path.file_stem().map(|s| s.to_string_lossy().into_owned());
    let folder =
        |dir: &Path| dir.canonicalize().ok()?.file_name().map(|s| s.to_string_lossy().into_owned());
    let of_folder = dir.filter(|_| files.len() > 1).and_then(folder);
    of_folder.or_else(|| stem(files.first()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_the_paths_and_sorted_within_one() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["b.h5", "a.hdf5", "c.HE5", "notes.txt", "z[1].h5"] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        let names = |files: Vec<PathBuf>| -> Vec<String> {
            files.iter().map(|f| f.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        let files = in_folder(dir.path(), &["h5", "hdf5", "he5"]).unwrap();
        assert_eq!(names(files), ["a.hdf5", "b.h5", "c.HE5", "z[1].h5"]);
        let at = |file: &str| dir.path().join(file).display().to_string();
        let files = named(&[at("z[1].h5"), at("[bc].*")], "paths").unwrap();
        assert_eq!(names(files), ["z[1].h5", "b.h5", "c.HE5"]);
        let twice = once_each(&named(&[at("b.h5"), at("*.h5")], "paths").unwrap()).unwrap_err();
        assert!(twice.to_string().starts_with("The file is named twice"), "{twice}");
    }
}
