//! Ids that were seen, in bounded memory.

use std::sync::Arc;

use arrow::datatypes::Int64Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use roaring::RoaringTreemap;
use twox_hash::XxHash3_128;

use super::runs::{Entries, Folder, Run, merge};
use crate::error::{Error, Result};

/// Runs of one collector beyond which they are merged into one, so that the number of open files
/// is bounded too.
const MOST_RUNS: usize = 64;

/// Ids, as keys in order: integers as themselves, texts as 128-bit hashes (among 2^40 different
/// texts, two with one hash come about once in 10^15 tables).
pub struct Collector {
    folder: Arc<Folder>,
    limit: usize,
    ints: Ints,
    texts: Vec<u128>,
    runs: Vec<Run>,
}

#[derive(Default)]
struct Ints {
    seen: RoaringTreemap,
    again: RoaringTreemap,
}

impl Ints {
    fn memory(&self) -> usize {
        memory_of(&self.seen) + memory_of(&self.again)
    }
}

impl Collector {
    /// A collector that keeps about `limit` bytes in memory and the rest in `folder`.
    pub fn new(folder: Arc<Folder>, limit: usize) -> Self {
        let limit = limit.max(1 << 10);
        Collector { folder, limit, ints: Ints::default(), texts: Vec::new(), runs: Vec::new() }
    }

    /// Adds an id column.
    ///
    /// # Errors
    /// When the disk refuses, or the column is neither Int64 nor Utf8.
    pub fn add(&mut self, ids: &ArrayRef) -> Result<()> {
        if let Some(ids) = ids.as_primitive_opt::<Int64Type>() {
            return self.add_ints(ids.values());
        }
        let Some(ids) = ids.as_string_opt::<i32>() else {
            return Err(Error::internal(format!("Ids of type {} were read", ids.data_type())));
        };
        for id in ids.iter().flatten() {
            if self.texts.len() >= self.limit / size_of::<u128>() {
                self.spill()?;
            }
            self.texts.push(hash(id));
        }
        Ok(())
    }

    fn add_ints(&mut self, ids: &[i64]) -> Result<()> {
        // Measuring takes time by what is there, so it is done once in a while by what may be.
        for chunk in ids.chunks((self.limit >> 10).clamp(16, 1 << 16)) {
            let mut chunk: Vec<u64> = chunk.iter().map(|id| ascending(*id)).collect();
            // Neighbours land in the same container.
            chunk.sort_unstable();
            for key in chunk {
                if !self.ints.seen.insert(key) {
                    self.ints.again.insert(key);
                }
            }
            if self.ints.memory() > self.limit {
                // Neighbouring ids shrink to their bounds; only scattered ones go to disk.
                self.ints.seen.optimize();
                self.ints.again.optimize();
                if self.ints.memory() > self.limit / 2 {
                    self.spill()?;
                }
            }
        }
        Ok(())
    }

    /// Moves what is in memory to disk.
    fn spill(&mut self) -> Result<()> {
        if self.runs.len() >= MOST_RUNS {
            let runs = self.runs.iter().map(Run::entries).collect::<Result<Vec<_>>>()?;
            let merged = self.folder.write(merge(runs)?)?;
            self.runs = vec![merged];
        }
        let run = self.folder.write(in_memory(&self.ints, &mut self.texts)?)?;
        self.runs.push(run);
        self.ints = Ints::default();
        self.texts.clear();
        Ok(())
    }
}

/// Every id of several collectors.
pub struct Collected(Vec<Collector>);

impl Collected {
    /// Puts collectors together.
    pub fn new(collectors: Vec<Collector>) -> Self {
        Collected(collectors)
    }

    /// Counts the different ids, and calls `repeated` with the key of each that occurs more than once, in
    /// ascending order.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn count(&mut self, mut repeated: impl FnMut(u128)) -> Result<u64> {
        let mut count = 0;
        let mut sorted = Vec::new();
        for collector in &mut self.0 {
            for run in &collector.runs {
                sorted.push(run.entries()?);
            }
            sorted.push(in_memory(&collector.ints, &mut collector.texts)?);
        }
        for entry in merge(sorted)? {
            let (key, again) = entry?;
            count += 1;
            if again {
                repeated(key);
            }
        }
        Ok(count)
    }
}

fn in_memory<'a>(ints: &'a Ints, texts: &'a mut [u128]) -> Result<Entries<'a>> {
    let numbers = ints.seen.iter().map(|key| Ok((u128::from(key), ints.again.contains(key))));
    texts.sort_unstable();
    let hashes = texts.chunk_by(|a, b| a == b).map(|same| Ok((same[0], same.len() > 1)));
    // A table has ids of one type, so one of the two is empty.
    merge(vec![Box::new(numbers), Box::new(hashes)])
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

    /// Counts by the collectors, and by a map.
    fn compare(batches: &[Vec<i64>], texts: bool, limit: usize, workers: usize) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::below(&dir.path().join("state")));
        let mut collectors: Vec<_> =
            (0..workers).map(|_| Collector::new(Arc::clone(&folder), limit)).collect();
        let mut truth = BTreeMap::<u128, u64>::new();
        for (n, batch) in batches.iter().enumerate() {
            let ids: ArrayRef = if texts {
                Arc::new(StringArray::from_iter_values(batch.iter().map(i64::to_string)))
            } else {
                Arc::new(Int64Array::from(batch.clone()))
            };
            collectors[n % workers].add(&ids).unwrap();
            for id in batch {
                let key = if texts { hash(&id.to_string()) } else { ascending(*id).into() };
                *truth.entry(key).or_default() += 1;
            }
        }
        let mut repeated = Vec::new();
        let count = Collected::new(collectors).count(|key| repeated.push(key)).unwrap();
        let expected: Vec<_> = truth.iter().filter(|(_, n)| **n > 1).map(|(k, _)| *k).collect();
        assert_eq!(repeated, expected);
        assert_eq!(count, truth.len() as u64);
        drop(folder);
        assert!(!dir.path().join("state").exists());
    }

    #[test]
    fn many_runs_are_merged_in_between() {
        // 1 KiB holds 64 hashes, or a handful of scattered integers.
        let scattered: Vec<i64> =
            (0..6000i64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15u64.cast_signed())).collect();
        let twice = vec![scattered.clone(), scattered[3000..].to_vec()];
        compare(&twice, true, 0, 1);
        compare(&twice, false, 0, 1);
    }

    #[test]
    fn neighbouring_ids_take_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::below(&dir.path().join("state")));
        let mut collector = Collector::new(folder, 1 << 17);
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(-500_000..1_500_000));
        collector.add(&ids).unwrap();
        assert!(collector.runs.is_empty());
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
        fn counts_are_those_of_a_map(
            near in prop::collection::vec(prop::collection::vec(-300i64..300, 0..400), 0..6),
            far in prop::collection::vec(prop::collection::vec(any::<i64>(), 0..100), 0..6),
            texts in any::<bool>(),
            limit in 0usize..5000,
            workers in 1usize..4,
        ) {
            let mut batches = near;
            batches.extend(far.clone());
            batches.extend(far.into_iter().take(1));
            compare(&batches, texts, limit, workers);
        }
    }
}
