//! Sorted runs on disk, and their merge: what keeps the memory of an ids pass bounded.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::folder::{Folder, disk};
use crate::error::Result;
use crate::private;

/// Bytes of a run that are read at once; there is a buffer for each run that is being merged.
const READ_BYTES: usize = 16 << 10;

/// Runs of about one size that are merged into a larger one. So each entry is written once per
/// factor of 64, and few files are open at a time.
const FAN_IN: usize = 64;

/// A key, and a number that goes with it.
pub type Entry = (u128, u64);

/// Entries in ascending order.
pub type Entries<'a> = Box<dyn Iterator<Item = Result<Entry>> + Send + 'a>;

/// Sorted runs, which many workers add to.
#[derive(Debug)]
pub struct Runs {
    folder: Arc<Folder>,
    /// By size: those as they came, those merged once, twice, …
    levels: Mutex<Vec<Vec<Run>>>,
}

impl Runs {
    /// No runs yet.
    pub fn new(folder: Arc<Folder>) -> Self {
        Runs { folder, levels: Mutex::default() }
    }

    /// Writes a run.
    ///
    /// # Errors
    /// When the disk refuses, or an entry can't be read.
    pub fn add(&self, entries: Entries<'_>) -> Result<()> {
        let mut run = Run::write(&self.folder, entries)?;
        let mut level = 0;
        while let Some(full) = self.put(level, run) {
            run = Run::write(&self.folder, merge(entries_of(&full)?)?)?;
            level += 1;
        }
        Ok(())
    }

    /// The entries of each run.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn entries(&self) -> Result<Vec<Entries<'static>>> {
        let levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        levels.iter().flatten().map(Run::entries).collect()
    }

    /// Puts a run on its level; gives all of them back when they are to be merged.
    fn put(&self, level: usize, run: Run) -> Option<Vec<Run>> {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        if levels.len() <= level {
            levels.push(Vec::new());
        }
        levels[level].push(run);
        (levels[level].len() >= FAN_IN).then(|| mem::take(&mut levels[level]))
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.levels.lock().unwrap().is_empty()
    }
}

fn entries_of(runs: &[Run]) -> Result<Vec<Entries<'static>>> {
    runs.iter().map(Run::entries).collect()
}

/// One run; its file is removed on drop.
#[derive(Debug)]
struct Run {
    path: PathBuf,
}

impl Run {
    fn write(folder: &Folder, entries: Entries<'_>) -> Result<Run> {
        let path = folder.new_file()?;
        let failed = |error| disk("write", &path, error);
        let mut out = BufWriter::new(private::create_new(&path).map_err(failed)?);
        let run = Run { path: path.clone() };
        let mut last = 0;
        for entry in entries {
            let (key, number) = entry?;
            put(&mut out, key - last, number).map_err(failed)?;
            last = key;
        }
        out.flush().map_err(failed)?;
        Ok(run)
    }

    fn entries(&self) -> Result<Entries<'static>> {
        let path = self.path.clone();
        let file = File::open(&path).map_err(|error| disk("read", &path, error))?;
        let mut input = BufReader::with_capacity(READ_BYTES, file);
        let mut last = 0u128;
        Ok(Box::new(std::iter::from_fn(move || match take(&mut input) {
            Ok(Some((step, number))) => {
                last = last.wrapping_add(step);
                Some(Ok((last, number)))
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

/// Merges what is sorted.
///
/// # Errors
/// The first entry of a run may fail to be read; errors of later ones come as items.
pub fn merge<'a>(mut runs: Vec<Entries<'a>>) -> Result<Entries<'a>> {
    if runs.len() == 1 {
        return Ok(runs.remove(0));
    }
    let mut heads = BinaryHeap::with_capacity(runs.len());
    for (run, entries) in runs.iter_mut().enumerate() {
        if let Some(entry) = entries.next().transpose()? {
            heads.push(Reverse((entry, run)));
        }
    }
    Ok(Box::new(std::iter::from_fn(move || {
        let mut head = heads.peek_mut()?;
        let Reverse((entry, run)) = *head;
        match runs[run].next() {
            // It mostly stays the first, and nothing moves.
            Some(Ok(next)) => *head = Reverse((next, run)),
            Some(Err(error)) => {
                PeekMut::pop(head);
                return Some(Err(error));
            }
            None => _ = PeekMut::pop(head),
        }
        Some(Ok(entry))
    })))
}

/// A step to the next key: one bit that says whether a number other than 0 follows, then the step
/// in groups of seven bits (six in the first byte), the lowest first; the highest bit of a byte
/// says that another follows. The number, if any, has the same form, without the first bit.
fn put(out: &mut impl Write, step: u128, number: u64) -> io::Result<()> {
    let more = |rest: u128| if rest > 0 { 0x80 } else { 0 };
    let mut bytes = [0; 32];
    bytes[0] = u8::from(number > 0) | ((step & 0x3f) as u8) << 1 | more(step >> 6);
    let mut len = 1;
    let mut groups = |mut rest: u128| {
        while rest > 0 {
            bytes[len] = (rest & 0x7f) as u8 | more(rest >> 7);
            rest >>= 7;
            len += 1;
        }
    };
    groups(step >> 6);
    groups(number.into());
    out.write_all(&bytes[..len])
}

fn take(input: &mut impl Read) -> io::Result<Option<(u128, u64)>> {
    let mut byte = [0];
    if input.read(&mut byte)? == 0 {
        return Ok(None);
    }
    let has_number = byte[0] & 1 == 1;
    let mut step = u128::from(byte[0] >> 1 & 0x3f);
    if byte[0] & 0x80 != 0 {
        step |= groups(input)?.checked_shl(6).unwrap_or(0);
    }
    let number = if has_number { groups(input)? as u64 } else { 0 };
    Ok(Some((step, number)))
}

fn groups(input: &mut impl Read) -> io::Result<u128> {
    let (mut value, mut shift, mut byte) = (0u128, 0, [0x80]);
    while byte[0] & 0x80 != 0 {
        input.read_exact(&mut byte)?;
        value |= u128::from(byte[0] & 0x7f).checked_shl(shift).unwrap_or(0);
        shift += 7;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Error;

    fn files(state: &std::path::Path) -> usize {
        let folder = fs::read_dir(state).unwrap().next().unwrap().unwrap();
        fs::read_dir(folder.path()).unwrap().count()
    }

    #[test]
    fn nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let runs = Runs::new(Arc::new(Folder::below(&state)));
        assert!(!state.exists());
        runs.add(Box::new([Ok((5, 0))].into_iter())).unwrap();
        let failing = [Ok((1, 0)), Err(Error::interrupted())];
        assert!(runs.add(Box::new(failing.into_iter())).is_err());
        assert_eq!(files(&state), 1);
        drop(runs);
        assert!(!state.exists());
    }

    #[test]
    fn many_runs_become_few() {
        let dir = tempfile::tempdir().unwrap();
        let runs = Runs::new(Arc::new(Folder::below(dir.path())));
        let many = (FAN_IN * FAN_IN + 3) as u64;
        for n in 0..many {
            runs.add(Box::new([Ok((u128::from(n % 100), n))].into_iter())).unwrap();
        }
        assert_eq!(files(dir.path()), 1 + 3);
        let all: Vec<_> = merge(runs.entries().unwrap()).unwrap().map(Result::unwrap).collect();
        assert!(all.is_sorted() && all.len() as u64 == many);
    }

    proptest! {
        #[test]
        fn a_run_gives_back_what_was_written(mut entries in prop::collection::vec(any::<Entry>(), 0..50)) {
            entries.extend([(0, 0), (0, u64::MAX), (u128::MAX, 7), (u128::MAX, 7)]);
            entries.sort();
            let dir = tempfile::tempdir().unwrap();
            let runs = Runs::new(Arc::new(Folder::below(dir.path())));
            runs.add(Box::new(entries.clone().into_iter().map(Ok))).unwrap();
            let back: Vec<_> = merge(runs.entries().unwrap()).unwrap().map(Result::unwrap).collect();
            prop_assert_eq!(back, entries);
        }
    }
}
