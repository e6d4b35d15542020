//! Checksums of a few thousand groups of rows, so that rows that differ are found without keeping
//! any: rows go to a bucket by their id, and only buckets that differ are looked at again.

use std::collections::HashSet;

use crate::table::Checksum;

/// Number of buckets.
const BUCKETS: usize = 4096;

/// Rows and checksums of all buckets.
#[derive(Debug, Clone)]
pub struct Buckets(Vec<(u64, Checksum)>);

impl Default for Buckets {
    fn default() -> Self {
        Buckets(vec![(0, Checksum::default()); BUCKETS])
    }
}

impl Buckets {
    /// Adds a row, or an id alone, by the key of its id.
    pub fn add(&mut self, key: u128, hash: u128) {
        let (rows, sum) = &mut self.0[bucket_of(key)];
        *rows += 1;
        *sum += Checksum::of(hash, 1);
    }

    /// Adds what another worker gathered.
    pub fn merge(&mut self, other: &Buckets) {
        for ((rows, sum), (more, other)) in self.0.iter_mut().zip(&other.0) {
            *rows += more;
            *sum += *other;
        }
    }

    /// All rows.
    pub fn rows(&self) -> u64 {
        self.0.iter().map(|(rows, _)| rows).sum()
    }

    /// The checksum over all rows.
    pub fn sum(&self) -> Checksum {
        self.0.iter().map(|(_, sum)| *sum).sum()
    }

    /// Buckets in which the two differ.
    pub fn differing(&self, other: &Buckets) -> Chosen {
        let pairs = self.0.iter().zip(&other.0).enumerate();
        let differing = pairs.filter(|(_, (one, other))| one != other);
        Chosen(differing.map(|(n, ((rows, _), (more, _)))| (n, rows + more)).collect())
    }
}

/// Some of the buckets, and the rows in them.
#[derive(Debug, Clone)]
pub struct Chosen(Vec<(usize, u64)>);

impl Chosen {
    /// As many of them as have at most `rows` rows together, but one at least; and whether these
    /// are all.
    pub fn within(self, rows: u64) -> (HashSet<usize>, bool) {
        let (all, mut left) = (self.0.len(), rows);
        let mut chosen = HashSet::new();
        for (n, rows) in self.0 {
            if !chosen.is_empty() && rows > left {
                break;
            }
            left = left.saturating_sub(rows);
            chosen.insert(n);
        }
        let whole = chosen.len() == all;
        (chosen, whole)
    }
}

/// The bucket of a key. Neighbouring keys are spread over all of them.
pub fn bucket_of(key: u128) -> usize {
    let folded = (key as u64) ^ ((key >> 64) as u64);
    // The golden ratio spreads numbers that follow each other; the uppermost bits are the best.
    let mixed = folded.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> (u64::BITS - BUCKETS.ilog2())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_filled_evenly() {
        for step in [1u128, 4096, 1 << 40] {
            let mut buckets = Buckets::default();
            (0..409_600u128).for_each(|n| buckets.add((n * step) ^ (1 << 63), 1));
            let largest = buckets.0.iter().map(|(rows, _)| *rows).max();
            assert!(largest < Some(400), "{step}: {largest:?}");
        }
    }

    #[test]
    fn only_the_bucket_of_a_row_that_differs_is_chosen() {
        let (mut one, mut two) = (Buckets::default(), Buckets::default());
        for key in 0..10_000u128 {
            one.add(key, key * 7 + 1);
            two.add(key, if key == 77 { 5 } else { key * 7 + 1 });
        }
        let (chosen, whole) = one.differing(&two).within(0);
        assert!(whole && chosen == HashSet::from([bucket_of(77)]));
        assert!(one.differing(&one.clone()).0.is_empty());
    }
}
