//! What a table is recognised by.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use crate::error::{Error, Result};
use crate::flow::blocking;
use crate::source::SourceTable;
use crate::source::files::{Stamp, name};
use crate::store::Place;

/// Bytes that are looked at in the beginning, the middle and the end of a file.
const PROBE: u64 = 64 << 10;

/// What a table is recognised by: each thing that its rows are read from, and what it is like. For
/// a file that is its [`Stamp`], and a hash of its beginning, middle and end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(BTreeMap<String, String>);

impl Fingerprint {
    /// Of rows that depend on the configuration alone.
    pub fn of_settings() -> Fingerprint {
        Fingerprint::default()
    }

    /// Of things, each with what it is like.
    pub fn of_things(things: impl IntoIterator<Item = (String, String)>) -> Fingerprint {
        Fingerprint(things.into_iter().collect())
    }

    /// Of the files that a table's splits lie in, as `files` finds them in a split's location.
    ///
    /// # Errors
    /// When one can't be read.
    pub async fn of_files<L, I>(table: &SourceTable, files: impl Fn(&L) -> I) -> Result<Fingerprint>
    where
        L: serde::de::DeserializeOwned,
        I: IntoIterator<Item = PathBuf>,
    {
        let all = table.files(files)?;
        blocking(move || {
            let looks = all.into_iter().map(|path| Ok((name(&path), look(&path)?)));
            looks.collect::<Result<_>>().map(Fingerprint)
        })
        .await
    }

    /// What one file is like. Of an object in a store, its tag tells what a hash would.
    ///
    /// # Errors
    /// When it can't be read.
    pub(super) fn of_one(place: &Place) -> Result<String> {
        match place {
            Place::Local(path) => look(path),
            Place::Remote(_) => match place.facts()? {
                Some(facts) => Ok(facts.stamp),
                None => Err(Error::source("There is no such object").at(place)),
            },
        }
    }

    /// How this differs from a later look.
    pub fn differences(&self, now: &Fingerprint) -> Vec<String> {
        let mut all = Vec::new();
        for (name, was) in &self.0 {
            match now.0.get(name) {
                None => all.push(format!("{name} is gone, or is not read any more")),
                Some(is) if is != was => all.push(format!("{name} changed")),
                Some(_) => {}
            }
        }
        let new = now.0.keys().filter(|name| !self.0.contains_key(*name));
        all.extend(new.map(|name| format!("{name} is new")));
        all
    }
}

fn look(path: &Path) -> Result<String> {
    let stamp = Stamp::of(path).map_err(|error| error.at(name(path)))?;
    let hash = probe(path, stamp.size)
        .map_err(|error| Error::source("Cannot read the file").because(error).at(name(path)))?;
    Ok(format!("{stamp}, {hash:032x}"))
}

/// A hash of three parts of a file, or of all of a small one.
fn probe(path: &Path, size: u64) -> std::io::Result<u128> {
    let file = File::open(path)?;
    let mut bytes = vec![0; usize::try_from(PROBE.min(size)).unwrap_or(0)];
    let last = size - bytes.len() as u64;
    let mut hash = XxHash3_128::new();
    for start in BTreeSet::from([0, last / 2, last]) {
        file.read_exact_at(&mut bytes, start)?;
        hash.write(&bytes);
    }
    Ok(hash.finish_128())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_middle_and_end_are_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        for size in [0usize, 1, 100, 70_000, 1 << 20] {
            let mut bytes = vec![7u8; size];
            std::fs::write(&path, &bytes).unwrap();
            let before = probe(&path, size as u64).unwrap();
            for at in [0, size / 2, size.saturating_sub(1)] {
                let Some(byte) = bytes.get_mut(at) else { continue };
                *byte ^= 1;
                std::fs::write(&path, &bytes).unwrap();
                assert_ne!(probe(&path, size as u64).unwrap(), before, "{at} of {size}");
                bytes[at] ^= 1;
            }
        }
    }

    #[test]
    fn differences_name_the_files() {
        let print = |files: &[(&str, &str)]| {
            let all = files.iter().map(|(name, like)| ((*name).to_owned(), (*like).to_owned()));
            Fingerprint(all.collect())
        };
        let was = print(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let is = print(&[("a", "1"), ("b", "2"), ("d", "1")]);
        let expected = ["b changed", "c is gone, or is not read any more", "d is new"];
        assert_eq!(was.differences(&is), expected);
        assert!(was.differences(&was).is_empty());
    }
}
