//! Ids that were seen, in bounded memory.

use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::datatypes::Int64Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use roaring::RoaringTreemap;
use twox_hash::XxHash3_128;

use super::folder::Folder;
use super::runs::{Entries, Entry, Runs, merge};
use crate::error::{Error, Result};

/// Keys of one block of 2^16 that make a bitmap of it smaller than a list.
const DENSE: usize = 32;

/// A set of keys that also knows which came more than once. Neighbouring keys lie in compressed
/// bitmaps and take next to no room; scattered ones wait in a list and go to disk, sorted, when it
/// is full. Keys that come one after the other, as those of most sources do, go into the bitmaps at
/// once, without being sorted.
pub struct Keys {
    runs: Arc<Runs>,
    /// Bytes that the bitmaps may take.
    limit: usize,
    dense: Dense,
    /// Where the keys that came last begin and end, of which each is one more than the one before.
    row: Option<(u128, u128)>,
    /// Keys of such rows since it was last looked how much the bitmaps take.
    in_rows: usize,
    scattered: Vec<u128>,
    /// The most keys in that list.
    most: usize,
}

#[derive(Default)]
struct Dense {
    seen: RoaringTreemap,
    again: RoaringTreemap,
}

impl Keys {
    /// One for each of `workers`, to be looked at together. They keep about `bytes` in memory, all
    /// of them together, and the rest in `folder`.
    pub fn several(workers: usize, folder: &Arc<Folder>, bytes: u64) -> Vec<Keys> {
        let limit = usize::try_from(bytes).unwrap_or(usize::MAX) / workers.max(1) / 2;
        let runs = Arc::new(Runs::new(Arc::clone(folder)));
        let one = || Keys {
            runs: Arc::clone(&runs),
            limit,
            dense: Dense::default(),
            row: None,
            in_rows: 0,
            scattered: Vec::new(),
            most: (limit / size_of::<u128>()).max(16),
        };
        (0..workers).map(|_| one()).collect()
    }

    /// Adds a key.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn add(&mut self, key: u128) -> Result<()> {
        if let Some((first, last)) = &mut self.row
            && last.checked_add(1) == Some(key)
            // No more at once than the bitmaps have room for.
            && key - *first < self.most as u128
        {
            *last = key;
            return Ok(());
        }
        self.end_row()?;
        self.row = Some((key, key));
        Ok(())
    }

    /// Puts the keys that came one after the other where they belong.
    fn end_row(&mut self) -> Result<()> {
        let Some((first, last)) = self.row.take() else { return Ok(()) };
        if last - first < DENSE as u128 {
            return (first..=last).try_for_each(|key| self.add_scattered(key));
        }
        let taken = match (u64::try_from(first), u64::try_from(last)) {
            (Ok(first), Ok(last)) => self.dense.take_row(first..=last),
            _ => false,
        };
        if !taken {
            return (first..=last).try_for_each(|key| self.add_scattered(key));
        }
        self.in_rows += (last - first) as usize;
        if self.in_rows >= self.most {
            self.in_rows = 0;
            self.bound_dense()?;
        }
        Ok(())
    }

    fn add_scattered(&mut self, key: u128) -> Result<()> {
        if self.scattered.len() >= self.most {
            self.settle()?;
        }
        if self.scattered.capacity() == 0 {
            // Growing step by step would hold twice as much for a moment.
            self.scattered.reserve_exact(self.most);
        }
        self.scattered.push(key);
        Ok(())
    }

    /// Makes room in the list.
    fn settle(&mut self) -> Result<()> {
        self.scattered.sort_unstable();
        self.dense.take_from(&mut self.scattered);
        if self.scattered.len() > self.most / 2 {
            self.runs.add(each_once(listed(&self.scattered)))?;
            self.scattered.clear();
        }
        self.bound_dense()
    }

    /// Sees to it that the bitmaps take no more than they may.
    fn bound_dense(&mut self) -> Result<()> {
        if self.dense.memory() > self.limit {
            self.dense.seen.optimize();
            self.dense.again.optimize();
            if self.dense.memory() > self.limit / 2 {
                self.runs.add(self.dense.entries())?;
                self.dense = Dense::default();
            }
        }
        Ok(())
    }
}

/// The keys of all workers in ascending order, each of them once, with 1 where it came more than
/// once and 0 where it did not.
///
/// # Errors
/// When the disk refuses.
pub fn sorted(workers: &mut [Keys]) -> Result<Entries<'_>> {
    // That can write a run yet.
    workers.iter_mut().try_for_each(Keys::end_row)?;
    let mut all = workers.first().map_or(Ok(Vec::new()), |keys| keys.runs.entries())?;
    for keys in workers {
        keys.scattered.sort_unstable();
        if !keys.dense.seen.is_empty() {
            all.push(keys.dense.entries());
        }
        if !keys.scattered.is_empty() {
            all.push(listed(&keys.scattered));
        }
    }
    Ok(each_once(merge(all)?))
}

impl Dense {
    /// Takes keys one after the other, unless some of them came before.
    fn take_row(&mut self, row: RangeInclusive<u64>) -> bool {
        let is_new = self.seen.range_cardinality(row.clone()) == 0;
        if is_new {
            self.seen.insert_range(row);
        }
        is_new
    }

    /// Takes the keys of well-filled blocks out of a sorted list.
    fn take_from(&mut self, list: &mut Vec<u128>) {
        let mut fresh = RoaringTreemap::new();
        let (mut start, mut kept) = (0, 0);
        while let Some(block) = list.get(start).map(|key| key >> 16) {
            let len = list[start..].iter().take_while(|key| *key >> 16 == block).count();
            let end = start + len;
            if len >= DENSE && block >> 48 == 0 {
                for key in &list[start..end] {
                    if fresh.try_push(*key as u64).is_err() {
                        self.again.insert(*key as u64);
                    }
                }
            } else {
                list.copy_within(start..end, kept);
                kept += len;
            }
            start = end;
        }
        list.truncate(kept);
        self.again |= &self.seen & &fresh;
        self.seen |= fresh;
    }

    fn entries(&self) -> Entries<'_> {
        Box::new(self.seen.iter().map(|key| Ok((key.into(), u64::from(self.again.contains(key))))))
    }

    fn memory(&self) -> usize {
        memory_of(&self.seen) + memory_of(&self.again)
    }
}

fn listed(keys: &[u128]) -> Entries<'_> {
    Box::new(keys.iter().map(|key| Ok((*key, 0))))
}

/// Each key once, with 1 where it comes more than once.
fn each_once(mut entries: Entries<'_>) -> Entries<'_> {
    let mut held: Option<Entry> = None;
    Box::new(std::iter::from_fn(move || {
        loop {
            match entries.next() {
                Some(Ok((key, number))) => match &mut held {
                    Some((same, again)) if *same == key => *again = 1,
                    _ => {
                        if let Some(whole) = held.replace((key, number)) {
                            return Some(Ok(whole));
                        }
                    }
                },
                Some(Err(error)) => return Some(Err(error)),
                None => return held.take().map(Ok),
            }
        }
    }))
}

/// The keys of an id column: integers as themselves, texts as 128-bit hashes (among 2^40 different
/// texts, two with one hash come about once in 10^15 tables).
///
/// # Errors
/// When the column is neither Int64 nor Utf8.
pub fn keys_of(ids: &ArrayRef) -> Result<Box<dyn Iterator<Item = u128> + '_>> {
    if let Some(ids) = ids.as_primitive_opt::<Int64Type>() {
        return Ok(Box::new(ids.values().iter().map(|id| ascending(*id).into())));
    }
    match ids.as_string_opt::<i32>() {
        // Ids are never null, so that every row has its key.
        Some(ids) => Ok(Box::new(ids.iter().map(|id| hash(id.unwrap_or_default())))),
        None => Err(Error::internal(format!("Ids of type {} were read", ids.data_type()))),
    }
}

/// Bytes of a bitmap in memory: its containers' content, and about what surrounds them.
fn memory_of(ids: &RoaringTreemap) -> usize {
    ids.bitmaps()
        .map(|(_, bitmap)| {
            let stats = bitmap.statistics();
            // A bitset has 8 KiB; an array, two bytes a value, which are counted as four.
            let content = stats.n_bytes_array_containers / 2
                + stats.n_bytes_run_containers
                + u64::from(stats.n_bitset_containers) * 8192;
            128 + 64 * stats.n_containers as usize + usize::try_from(content).unwrap_or(usize::MAX)
        })
        .sum()
}

/// An integer id as a key: the order of signed integers is kept.
pub fn ascending(id: i64) -> u64 {
    id.cast_unsigned() ^ (1 << 63)
}

/// The id of a key that [`ascending`] made.
pub fn id_of(key: u128) -> i64 {
    ((key as u64) ^ (1 << 63)).cast_signed()
}

/// The key of a text id.
pub fn hash(id: &str) -> u128 {
    XxHash3_128::oneshot(id.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow_array::{Int64Array, StringArray};
    use proptest::prelude::*;

    use super::*;

    /// Counts by keys, and by a map.
    fn compare(batches: &[Vec<i64>], texts: bool, bytes: u64, workers: usize) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::below(&dir.path().join("state")));
        let mut keys = Keys::several(workers, &folder, bytes);
        let mut truth = BTreeMap::<u128, u64>::new();
        for (n, batch) in batches.iter().enumerate() {
            let ids: ArrayRef = if texts {
                Arc::new(StringArray::from_iter_values(batch.iter().map(i64::to_string)))
            } else {
                Arc::new(Int64Array::from(batch.clone()))
            };
            for key in keys_of(&ids).unwrap() {
                keys[n % workers].add(key).unwrap();
                *truth.entry(key).or_default() += 1;
            }
        }
        let found: Vec<_> = sorted(&mut keys).unwrap().map(Result::unwrap).collect();
        let expected: Vec<_> = truth.iter().map(|(key, n)| (*key, u64::from(*n > 1))).collect();
        assert_eq!(found, expected);
        drop((keys, folder));
        assert!(!dir.path().join("state").exists());
    }

    #[test]
    fn many_runs_are_merged_in_between() {
        let scattered: Vec<i64> =
            (0..6000i64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15u64.cast_signed())).collect();
        let twice = vec![scattered.clone(), scattered[3000..].to_vec()];
        compare(&twice, true, 0, 1);
        compare(&twice, false, 0, 1);
    }

    #[test]
    fn the_key_that_fills_the_list_at_the_end_hides_no_others() {
        let scattered = (0..17).map(|n| n * 1_000_000).collect();
        compare(&[scattered], false, 0, 1);
    }

    #[test]
    fn neighbouring_ids_take_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::below(&dir.path().join("state")));
        let mut keys = Keys::several(1, &folder, 1 << 18);
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(-500_000..1_500_000));
        keys_of(&ids).unwrap().for_each(|key| keys[0].add(key).unwrap());
        assert!(keys[0].runs.is_empty());
    }

    #[test]
    fn keys_keep_the_order_of_ids() {
        for id in [i64::MIN, -1, 0, 1, i64::MAX] {
            assert_eq!(id_of(ascending(id).into()), id);
        }
        assert!(ascending(-1) < ascending(0) && ascending(i64::MIN) == 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn rows_of_ids_that_overlap_are_counted(
            rows in prop::collection::vec((-70_000i64..70_000, 0..3_000i64), 0..12),
            again in prop::collection::vec(-70_000i64..70_000, 0..12),
            bytes in 0u64..1_000_000,
            workers in 1usize..4,
        ) {
            let rows = rows.into_iter().map(|(first, len)| (first..first + len).collect());
            let batches: Vec<Vec<i64>> = rows.chain(again.into_iter().map(|id| vec![id])).collect();
            compare(&batches, false, bytes, workers);
        }

        #[test]
        fn counts_are_those_of_a_map(
            near in prop::collection::vec(prop::collection::vec(-300i64..300, 0..400), 0..6),
            far in prop::collection::vec(prop::collection::vec(any::<i64>(), 0..100), 0..6),
            texts in any::<bool>(),
            bytes in 0u64..10000,
            workers in 1usize..4,
        ) {
            let mut batches = near;
            batches.extend(far.clone());
            batches.extend(far.into_iter().take(1));
            compare(&batches, texts, bytes, workers);
        }
    }
}
