//! Sorted runs on disk, and their merge: what keeps the survey's memory bounded.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Bytes of a run that are read at once; there is a buffer for each run that is being merged.
const READ_BYTES: usize = 16 << 10;

/// A key, and whether it occurs more than once.
pub type Entry = (u128, bool);

/// Entries in ascending order of their keys, each key once.
pub type Entries<'a> = Box<dyn Iterator<Item = Result<Entry>> + Send + 'a>;

/// A folder for runs, made with the first one and removed, with all that is in it, on drop.
#[derive(Debug)]
pub struct Folder {
    parent: PathBuf,
    made: OnceLock<PathBuf>,
    next: AtomicU64,
}

impl Folder {
    /// A folder below `parent`; nothing is made yet.
    pub fn below(parent: &Path) -> Self {
        Folder { parent: parent.to_owned(), made: OnceLock::new(), next: AtomicU64::new(0) }
    }

    /// Writes a run.
    ///
    /// # Errors
    /// When the disk refuses, or an entry can't be read.
    pub fn write(&self, entries: Entries<'_>) -> Result<Run> {
        let path = self.path()?.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let failed = |error| disk("write", &path, error);
        let mut out = BufWriter::new(File::create_new(&path).map_err(failed)?);
        let run = Run { path: path.clone() };
        let mut last = 0;
        for entry in entries {
            let (key, again) = entry?;
            put(&mut out, key - last, again).map_err(failed)?;
            last = key;
        }
        out.flush().map_err(failed)?;
        Ok(run)
    }

    fn path(&self) -> Result<&Path> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        if let Some(path) = self.made.get() {
            return Ok(path);
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = self.parent.join(format!("ids-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| disk("make", &path, error))?;
        // Of two that made a folder at the same time, one wins; the other's is empty.
        if let Err(lost) = self.made.set(path) {
            let _ = fs::remove_dir(lost);
        }
        self.made.get().map(PathBuf::as_path).ok_or_else(|| Error::internal("No folder for ids"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(path) = self.made.get() {
            let _ = fs::remove_dir_all(path);
            // Succeeds only when it holds nothing else.
            let _ = fs::remove_dir(&self.parent);
        }
    }
}

/// One run; its file is removed on drop.
#[derive(Debug)]
pub struct Run {
    path: PathBuf,
}

impl Run {
    /// The entries, from the first.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn entries(&self) -> Result<Entries<'static>> {
        let path = self.path.clone();
        let file = File::open(&path).map_err(|error| disk("read", &path, error))?;
        let mut input = BufReader::with_capacity(READ_BYTES, file);
        let mut last = 0u128;
        Ok(Box::new(std::iter::from_fn(move || match take(&mut input) {
            Ok(Some((step, again))) => {
                last = last.wrapping_add(step);
                Some(Ok((last, again)))
            }
            Ok(None) => None,
            Err(error) => Some(Err(disk("read", &path, error))),
        })))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Merges runs: keys ascend, and a key of several runs occurs more than once.
///
/// # Errors
/// The first entry of a run may fail to be read; errors of later ones come as items.
pub fn merge<'a>(mut runs: Vec<Entries<'a>>) -> Result<Entries<'a>> {
    let mut heads = BinaryHeap::with_capacity(runs.len());
    for (run, entries) in runs.iter_mut().enumerate() {
        if let Some((key, again)) = entries.next().transpose()? {
            heads.push(Reverse((key, run, again)));
        }
    }
    Ok(Box::new(std::iter::from_fn(move || {
        let Reverse((key, mut run, mut again)) = heads.pop()?;
        loop {
            match runs[run].next() {
                Some(Ok((next, next_again))) => heads.push(Reverse((next, run, next_again))),
                Some(Err(error)) => return Some(Err(error)),
                None => {}
            }
            match heads.peek() {
                Some(Reverse((other, ..))) if *other == key => {}
                _ => return Some(Ok((key, again))),
            }
            again = true;
            let Reverse((_, other, _)) = heads.pop()?;
            run = other;
        }
    })))
}

/// A step to the next key: one bit that says whether it occurs again, then the number in groups of
/// seven bits (six in the first byte), the lowest first; the highest bit of a byte says that
/// another follows.
fn put(out: &mut impl Write, step: u128, again: bool) -> io::Result<()> {
    let mut rest = step >> 6;
    let more = |rest: u128| if rest > 0 { 0x80 } else { 0 };
    let mut bytes = [0; 20];
    bytes[0] = u8::from(again) | ((step & 0x3f) as u8) << 1 | more(rest);
    let mut len = 1;
    while rest > 0 {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        bytes[len] = low | more(rest);
        len += 1;
    }
    out.write_all(&bytes[..len])
}

fn take(input: &mut impl Read) -> io::Result<Option<(u128, bool)>> {
    let mut byte = [0];
    if input.read(&mut byte)? == 0 {
        return Ok(None);
    }
    let again = byte[0] & 1 == 1;
    let mut step = u128::from(byte[0] >> 1 & 0x3f);
    let mut shift = 6;
    while byte[0] & 0x80 != 0 {
        input.read_exact(&mut byte)?;
        step |= u128::from(byte[0] & 0x7f).checked_shl(shift).unwrap_or(0);
        shift += 7;
    }
    Ok(Some((step, again)))
}

fn disk(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::internal(format!("Cannot {doing} a temporary file of ids"))
        .because(error)
        .at(path.display())
        .help("there must be room in `run.state_dir`, or more in `run.memory`")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let folder = Folder::below(&state);
        assert!(!state.exists());
        let run = folder.write(Box::new([Ok((5, false))].into_iter())).unwrap();
        let failing = [Ok((1, false)), Err(Error::interrupted())];
        assert!(folder.write(Box::new(failing.into_iter())).is_err());
        assert_eq!(fs::read_dir(folder.path().unwrap()).unwrap().count(), 1);
        drop(run);
        drop(folder);
        assert!(!state.exists());
    }

    proptest! {
        #[test]
        fn a_run_gives_back_what_was_written(mut entries in prop::collection::btree_map(any::<u128>(), any::<bool>(), 0..50)) {
            entries.insert(u128::MAX, true);
            entries.insert(0, false);
            let dir = tempfile::tempdir().unwrap();
            let folder = Folder::below(dir.path());
            let run = folder.write(Box::new(entries.clone().into_iter().map(Ok))).unwrap();
            let back: Vec<_> = run.entries().unwrap().map(Result::unwrap).collect();
            prop_assert_eq!(back, entries.into_iter().collect::<Vec<_>>());
        }
    }
}
