//! An input file, and the files that it refers to, which rows are read from although no configuration names them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::source::files::{Stamp, name};

/// A file that rows are read from, and the files that it refers to, as they were when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Path of the file.
    pub file: PathBuf,
    stamp: Stamp,
    /// The files that it refers to.
    #[serde(default)]
    pub further: Further,
}

impl Input {
    /// An input whose `stamp` was taken before it was read, so that a change in between is noticed.
    pub fn new(file: &Path, stamp: Stamp, further: Further) -> Input {
        Input { file: file.to_owned(), stamp, further }
    }

    /// Paths of all files that rows are read from.
    pub fn files(&self) -> Vec<PathBuf> {
        std::iter::once(&self.file).chain(self.further.paths()).cloned().collect()
    }

    /// Checks that all files are still those that were planned.
    ///
    /// # Errors
    /// When one is not.
    pub fn check(&self) -> Result<()> {
        self.stamp.check(&self.file)?;
        self.further.check()
    }
}

/// Whether an input may refer to files outside its own folder.
///
/// Whoever made an input chose the files that it leads to. They may be any files of the user who reads it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum External {
    /// No: the plan fails.
    #[default]
    Refuse,
    /// Yes.
    Allow,
}

impl External {
    /// True when `input` may lead to `file`.
    pub fn allows(self, input: &Path, file: &Path) -> bool {
        self == External::Allow || is_beside(input, file).unwrap_or(false)
    }
}

/// Most files that one input may lead to: each is looked at after each batch.
const MOST: usize = 256;

/// Files that an input leads to, each as it was when the plan was made; none for one that is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Further(Vec<(PathBuf, Option<Stamp>)>);

impl Further {
    /// Stamps the `files` that `input` leads to. `setting` is the configuration's key for `external`.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) for one outside the input's folder, unless that is allowed;
    /// and when there are too many.
    pub fn of(
        input: &Path,
        files: BTreeSet<PathBuf>,
        external: External,
        setting: &str,
    ) -> Result<Further> {
        if files.len() > MOST {
            return Err(Error::source(format!(
                "The file leads to {} other files, more than {MOST}",
                files.len()
            ))
            .help("read those themselves, by `paths`"));
        }
        let mut further = Vec::new();
        for file in files {
            if external == External::Refuse && !is_beside(input, &file)? {
                return Err(outside(&file, setting));
            }
            let stamp = if file.exists() {
                Some(Stamp::of(&file).map_err(|error| error.at(name(&file)))?)
            } else {
                None
            };
            further.push((file, stamp));
        }
        Ok(Further(further))
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their paths.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.iter().map(|(path, _)| path)
    }

    /// What a plan says of them.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(path, stamp)| match stamp {
            Some(_) => format!("leads to another file, {}", name(path)),
            None => format!("leads to a file that is missing, {}", name(path)),
        })
    }

    /// Checks that they are still as they were when the plan was made.
    ///
    /// # Errors
    /// When one is not.
    pub fn check(&self) -> Result<()> {
        for (path, stamp) in &self.0 {
            let checked = match stamp {
                Some(stamp) => stamp.check(path),
                None if path.exists() => {
                    Err(Error::source_changed("a file is there that was missing"))
                }
                None => Ok(()),
            };
            checked.map_err(|error| error.at(name(path)))?;
        }
        Ok(())
    }
}

/// True when a file lies in the folder of `input`, or below it, wherever links lead.
fn is_beside(input: &Path, file: &Path) -> Result<bool> {
    let real = |path: &Path| {
        path.canonicalize()
            .map_err(|error| Error::source("Cannot open the file").because(error).at(name(path)))
    };
    let folder = real(input)?.parent().map(Path::to_owned).unwrap_or_default();
    // Of a file that is missing, its folder counts.
    let there = file.ancestors().find(|path| path.exists()).unwrap_or(file);
    Ok(real(there)?.starts_with(folder))
}

fn outside(file: &Path, setting: &str) -> Error {
    Error::config(format!(
        "The file leads to another one outside its folder, whose content would be moved: {}",
        name(file)
    ))
    .help(format!("if that is meant, set {setting}: allow; or move that file beside this one"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_outside_the_folder_are_refused_whatever_the_path_looks_like() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        fs::create_dir_all(inside.join("below")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        for file in [inside.join("a.h5"), inside.join("below/b.raw"), outside.join("c.raw")] {
            fs::write(file, "x").unwrap();
        }
        symlink(outside.join("c.raw"), inside.join("link.raw")).unwrap();
        let input = inside.join("a.h5");
        let of = |file: PathBuf, external| {
            Further::of(&input, BTreeSet::from([file]), external, "source.hdf5.external")
        };
        for file in ["below/b.raw", "below/../below/b.raw", "missing.raw"] {
            of(inside.join(file), External::Refuse).unwrap();
        }
        for file in ["link.raw", "../out/c.raw", "../out/missing.raw"] {
            let told = of(inside.join(file), External::Refuse).unwrap_err().to_string();
            assert!(told.contains("set source.hdf5.external: allow"), "{told}");
            of(inside.join(file), External::Allow).unwrap();
        }
    }

    #[test]
    fn a_file_that_changes_comes_or_goes_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a.h5", "b.raw", "c.raw"].map(|name| dir.path().join(name));
        paths[..2].iter().for_each(|path| fs::write(path, "x").unwrap());
        let files = BTreeSet::from([paths[1].clone(), paths[2].clone()]);
        let further = Further::of(&paths[0], files, External::Refuse, "").unwrap();
        further.check().unwrap();
        assert!(further.notes().any(|note| note.contains("missing") && note.contains("c.raw")));
        fs::write(&paths[2], "x").unwrap();
        let told = further.check().unwrap_err().to_string();
        assert!(told.contains("a file is there that was missing"), "{told}");
        fs::remove_file(&paths[2]).unwrap();
        fs::remove_file(&paths[1]).unwrap();
        further.check().unwrap_err();
    }
}
