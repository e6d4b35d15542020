//! What the files of a table, or of a partition of one, are called.
//!
//! A table of one file is `<partition>.h5`, one of several `<partition>-00001.h5` and so on; beside
//! them lies `<partition>.yaml`. What is not yet in place has a hidden name, with the id of the run
//! that wrote it.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::ownership::is_run_id;
use crate::sink::files::names::{LONGEST, encode};

/// Stands for rows that belong to no partition.
const DEFAULT_STEM: &str = "_default";
/// Digits of a file's number, at least.
const DIGITS: usize = 5;
/// Bytes that a stem must leave for what is put around it: `..` and `.yaml.tmp`, or `.`,
/// `-18446744073709551615`, `.h5.`, a run's id and `.whole`.
const LONGEST_AFFIX: usize = 48;

/// Where a table's files lie, and what all their names begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    folder: PathBuf,
    stem: String,
    /// The run whose hidden files are meant.
    run: String,
}

/// A file of a table, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What it is.
    pub file: File,
    /// The run that wrote it, of a hidden file; none for those of earlier versions.
    pub run: Option<String>,
}

/// A file of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// Rows, in place.
    Rows,
    /// Rows, or a list, that are not in place.
    Unfinished,
    /// A whole file of rows of a table that is not in place.
    Whole,
}

impl Names {
    /// The names of a collection's, or its partition's, files below `dir`; hidden ones are those of
    /// `run`.
    ///
    /// # Errors
    /// When a name is too long for a file system.
    pub fn of(dir: &Path, collection: &str, partition: Option<&str>, run: &str) -> Result<Names> {
        let mut stem = match partition {
            Some(name) => encode(name)?,
            None => DEFAULT_STEM.to_owned(),
        };
        // A partition `p-00001` is not the first file of a partition `p`.
        if let Some((start, digits)) = stem.rsplit_once('-')
            && digits.len() >= DIGITS
            && digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            stem = format!("{start}%2D{digits}");
        }
        if stem.len() + LONGEST_AFFIX > LONGEST {
            return Err(Error::config(format!(
                "The partition `{stem}` takes {} bytes as the name of a file, {} at most fit",
                stem.len(),
                LONGEST - LONGEST_AFFIX
            ))
            .help(
                "write the table into a partition of a shorter name, or use the sink `parquet`",
            ));
        }
        Ok(Names { folder: dir.join(encode(collection)?), stem, run: run.to_owned() })
    }

    /// The run whose hidden files are meant.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The same with the hidden files of another run.
    pub fn of_run(&self, run: &str) -> Names {
        Names { run: run.to_owned(), ..self.clone() }
    }

    /// The folder of all the files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Names of `count` files of rows, in their order.
    pub fn rows(&self, count: u64) -> Vec<String> {
        match count {
            1 => vec![self.single()],
            _ => (0..count).map(|index| self.numbered(index)).collect(),
        }
    }

    /// The name of a table's only file.
    pub fn single(&self) -> String {
        format!("{}.h5", self.stem)
    }

    /// The name of file `index`, counted from 0, of several.
    pub fn numbered(&self, index: u64) -> String {
        format!("{}-{:0DIGITS$}.h5", self.stem, index.saturating_add(1))
    }

    /// The path of a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The path of the file that is called `name` once it is in place.
    pub fn unfinished(&self, name: &str) -> PathBuf {
        self.hidden(name, "tmp")
    }

    /// The path of the file that is called `name` while it is whole, but its table is not.
    pub fn whole(&self, name: &str) -> PathBuf {
        self.hidden(name, "whole")
    }

    fn hidden(&self, name: &str, end: &str) -> PathBuf {
        match self.run.as_str() {
            // Of an earlier version.
            "" => self.folder.join(format!(".{name}.{end}")),
            run => self.folder.join(format!(".{name}.{run}.{end}")),
        }
    }

    /// The YAML, which lists the files of the table.
    pub fn list(&self) -> PathBuf {
        self.folder.join(format!("{}.yaml", self.stem))
    }

    /// The YAML of a table that is whole, while its files are being renamed.
    pub fn coming_list(&self) -> PathBuf {
        self.folder.join(format!(".{}.yaml", self.stem))
    }

    /// What a file in the folder is; `None` for the lists, and for what is not this table's.
    pub fn parse(&self, name: &str) -> Option<Named> {
        if name == format!("..{}.yaml.tmp", self.stem) {
            return Some(Named { file: File::Unfinished, run: None });
        }
        let hidden = |end| name.strip_prefix('.').and_then(|name| name.strip_suffix(end));
        let (rows, file) = match (hidden(".tmp"), hidden(".whole")) {
            (Some(rows), _) => (rows, File::Unfinished),
            (_, Some(rows)) => (rows, File::Whole),
            (None, None) => (name, File::Rows),
        };
        let (rows, run) = match rows.rsplit_once('.') {
            Some((rows, run)) if file != File::Rows && is_run_id(run) => (rows, Some(run)),
            _ => (rows, None),
        };
        let rest = rows.strip_prefix(&self.stem)?.strip_suffix(".h5")?;
        let ours = match rest.strip_prefix('-') {
            Some(digits) => digits
                .parse::<u64>()
                .is_ok_and(|number| number > 0 && self.numbered(number - 1) == rows),
            None => rest.is_empty(),
        };
        ours.then(|| Named { file, run: run.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(partition: Option<&str>) -> Names {
        Names::of(Path::new("/out"), "a/b", partition, "0123456789abcdef").unwrap()
    }

    #[test]
    fn names_are_read_back_and_nothing_else_is_ours() {
        let p = names(Some("p"));
        assert_eq!(p.folder(), Path::new("/out/a%2Fb"));
        assert_eq!(p.rows(1), ["p.h5"]);
        assert_eq!(p.rows(2), ["p-00001.h5", "p-00002.h5"]);
        assert_eq!(names(None).rows(1), ["_default.h5"]);
        for name in ["p.h5", "p-00001.h5", "p-123456.h5"] {
            assert_eq!(p.parse(name), Some(Named { file: File::Rows, run: None }), "{name}");
            for (hidden, file) in
                [(p.unfinished(name), File::Unfinished), (p.whole(name), File::Whole)]
            {
                let hidden = hidden.file_name().unwrap().to_str().unwrap();
                let run = Some(p.run().to_owned());
                assert_eq!(p.parse(hidden), Some(Named { file, run }), "{hidden}");
            }
        }
        for name in ["..p.yaml.tmp", ".p.h5.tmp"] {
            assert_eq!(p.parse(name), Some(Named { file: File::Unfinished, run: None }), "{name}");
        }
        for foreign in [
            "p.yaml",
            ".p.yaml",
            "p-1.h5",
            "p-00000.h5",
            "p-000001.h5",
            "p-+0001.h5",
            "q.h5",
            "pp.h5",
            "p.h5.0123456789abcdef",
        ] {
            assert_eq!(p.parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn no_partition_takes_anothers_files() {
        assert_eq!(names(Some("p-00001")).rows(1), ["p%2D00001.h5"]);
        assert_eq!(names(Some("p%2D00001")).rows(1), ["p%252D00001.h5"]);
        assert_eq!(names(Some("p-1")).rows(1), ["p-1.h5"]);
        assert!(Names::of(Path::new("/out"), "c", Some(&"x".repeat(240)), "").is_err());
    }
}
