//! Names that hold the id of a run.

use std::fs;
use std::path::{Path, PathBuf};

/// The name with `RUN` in the place of the id of the run, where it holds one.
pub fn without_run(name: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let parts = name.split_inclusive(|c| !is_digit(c)).map(|part| {
        let digits = part.trim_end_matches(|c| !is_digit(c));
        match digits.len() {
            16 => part.replacen(digits, "RUN", 1),
            _ => part.to_owned(),
        }
    });
    parts.collect()
}

/// The path of the part with this number in a folder of Parquet files.
pub fn part(folder: &Path, number: u32) -> PathBuf {
    let start = format!("part-{number:05}-");
    let mut names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let name = names.find(|name| name.to_str().unwrap().starts_with(&start));
    folder.join(name.unwrap_or_else(|| panic!("no part {number} in {}", folder.display())))
}
