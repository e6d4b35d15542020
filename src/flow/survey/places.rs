//! Keys with the places where they come, sorted in bounded memory.

use std::sync::Arc;

use super::folder::Folder;
use super::runs::{Entries, Entry, Runs, merge};
use crate::error::Result;

/// Keys and positions. Beyond a bound, sorted runs of them are on disk.
pub struct Places {
    runs: Arc<Runs>,
    list: Vec<Entry>,
    most: usize,
}

impl Places {
    /// One for each of `workers`, to be looked at together. They keep about `bytes` in memory, all
    /// of them together, and the rest in `folder`.
    pub fn several(workers: usize, folder: &Arc<Folder>, bytes: u64) -> Vec<Places> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX) / workers.max(1);
        let most = (bytes / size_of::<Entry>()).max(16);
        let runs = Arc::new(Runs::new(Arc::clone(folder)));
        let one = || Places { runs: Arc::clone(&runs), list: Vec::new(), most };
        (0..workers).map(|_| one()).collect()
    }

    /// Adds a key and its position.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn add(&mut self, key: u128, position: u64) -> Result<()> {
        if self.list.len() >= self.most {
            self.list.sort_unstable();
            self.runs.add(listed(&self.list))?;
            self.list.clear();
        }
        if self.list.capacity() == 0 {
            // Growing step by step would hold twice as much for a moment.
            self.list.reserve_exact(self.most);
        }
        self.list.push((key, position));
        Ok(())
    }
}

/// All of them, by key and then by position.
///
/// # Errors
/// When the disk refuses.
pub fn sorted(workers: &mut [Places]) -> Result<Entries<'_>> {
    let mut all = workers.first().map_or(Ok(Vec::new()), |places| places.runs.entries())?;
    for places in workers {
        places.list.sort_unstable();
        all.push(listed(&places.list));
    }
    merge(all)
}

fn listed(entries: &[Entry]) -> Entries<'_> {
    Box::new(entries.iter().map(|entry| Ok(*entry)))
}
