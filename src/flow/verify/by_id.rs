//! Comparing with a target that gives rows back by their ids: batch by batch, so that memory stays
//! flat however large the two are, and whatever else the target holds.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};

use super::buckets::Buckets;
use super::change::first_change;
use super::comparison::{Comparison, Verdict};
use super::differences::{Differences, SAMPLE, What};
use super::extra;
use super::rows::{Reading, SourceSide};
use super::several;
use crate::error::Result;
use crate::flow::survey::keys_of;
use crate::flow::{Batch, Id, blocking};
use crate::sink::{Leeway, OldRow, RowsById};
use crate::source::Columns;
use crate::table::{Checksum, RowHasher};
use crate::words::plural;

/// Compares all rows of the source with those of the target that have their ids. `ours` says that
/// the target held nothing before: then whatever else it holds is a difference, too.
pub async fn compare(
    rows: &dyn RowsById,
    side: &SourceSide<'_>,
    reading: &Reading<'_>,
    ours: bool,
) -> Result<Comparison> {
    let Leeway { old, duplicates } = rows.leeway();
    let duplicates = duplicates.filter(|_| !side.ids_are_unique());
    let old = old.filter(|_| !ours);
    if duplicates.is_some() || old == Some(OldRow::Beside) {
        return several::compare(rows, side, reading, ours, duplicates).await;
    }
    let comparing = Comparing {
        rows,
        hasher: RowHasher::new(&side.target.write.schema),
        id: side.target.write.schema.id_index(),
        old_may_differ: old == Some(OldRow::Stayed),
    };
    let tallies = reading
        .each(side, async |tally: &mut Tally, batch| comparing.compare(tally, batch).await)
        .await?;
    let mut all = Tally::default();
    tallies.into_iter().for_each(|tally| all.merge(tally));
    let mut notes = Vec::new();
    if all.hidden > 0 {
        notes.push(format!(
            "{} by the target's count, which it does not give back: only that was compared, and the checksums are without",
            plural(all.hidden, "row")
        ));
    }
    if all.old > 0 {
        notes.push(format!(
            "{} with other values than in the source: with on_conflict: skip, rows that were there before stay",
            plural(all.old, "row")
        ));
    }
    let held = all.counted.unwrap_or(all.shown);
    let total = reading.until_stopped(rows.count_all()).await??;
    let others = total.saturating_sub(held);
    let mut checksum_of_target = Some(all.target);
    if ours && others > 0 {
        let ids = SourceSide { columns: Columns::Ids, ..*side };
        let differences = &mut all.differences;
        let extra = extra::find(rows, &ids, reading, &all.ids, others, differences).await?;
        checksum_of_target = extra.map(|extra| all.target + extra);
    }
    let rows_in_target = if ours { total } else { held };
    let verdict = if all.differences.is_empty() { Verdict::Same } else { Verdict::Differ };
    Ok(Comparison {
        verdict,
        rows_in_source: Some(all.rows),
        rows_in_target: Some(rows_in_target),
        other_rows: (!ours).then_some(others),
        checksum_of_source: Some(all.source),
        checksum_of_target,
        differences: all.differences,
        notes,
    })
}

/// What one worker has found so far.
#[derive(Default)]
struct Tally {
    /// Rows of the source.
    rows: u64,
    /// Of those, rows whose ids the target shows.
    shown: u64,
    /// Rows of the target that have these ids; `None` where it can't tell.
    counted: Option<u64>,
    /// Rows that the target counts and does not show.
    hidden: u64,
    /// Rows that differ because the old ones stayed.
    old: u64,
    source: Checksum,
    target: Checksum,
    /// The ids of the source, each hashed as itself.
    ids: Buckets,
    differences: Differences,
}

impl Tally {
    fn merge(&mut self, other: Tally) {
        self.rows += other.rows;
        self.shown += other.shown;
        self.counted = match (self.counted, other.counted) {
            (Some(one), Some(more)) => Some(one + more),
            (one, more) => one.or(more),
        };
        self.hidden += other.hidden;
        self.old += other.old;
        self.source += other.source;
        self.target += other.target;
        self.ids.merge(&other.ids);
        self.differences.merge(other.differences);
    }
}

/// What all workers share.
struct Comparing<'a> {
    rows: &'a dyn RowsById,
    hasher: RowHasher,
    /// Index of the id column.
    id: usize,
    old_may_differ: bool,
}

impl Comparing<'_> {
    async fn compare(&self, tally: &mut Tally, batch: Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let ids = Arc::clone(batch.rows.column(self.id));
        let (held, counted) = tokio::try_join!(self.rows.rows(&ids), self.rows.count(&ids))?;
        let (hasher, id) = (self.hasher.clone(), self.id);
        let pair = blocking(move || Pair::new(hasher, id, batch, held)).await?;
        tally.rows += pair.source_hashes.len() as u64;
        for (key, _) in &pair.source_keys {
            tally.ids.add(*key, *key);
        }
        let mut missing = pair.missing();
        let shown = (pair.source_keys.len() - missing.len()) as u64;
        tally.shown += shown;
        tally.source += pair.source_hashes.iter().map(|hash| Checksum::of(*hash, 1)).sum();
        tally.target += pair.held_sum();
        if let Some(counted) = counted {
            *tally.counted.get_or_insert(0) += counted;
            for (row, times) in self.surplus(tally, &ids, &pair, counted).await? {
                let (key, _) = pair.source_keys[row];
                match pair.held_rows.get(&key) {
                    None => {
                        missing.retain(|missing| *missing != row);
                        tally.hidden += 1;
                        tally.source += Checksum::of(pair.source_hashes[row].wrapping_neg(), 1);
                    }
                    Some(held) => {
                        tally.target += Checksum::of(pair.held_hashes[*held], times - 1);
                        let what = What::Doubled { in_source: 1, in_target: times };
                        tally.differences.add(Id::at(&ids, row)?, what);
                    }
                }
            }
        }
        for row in missing {
            tally.differences.add(Id::at(&ids, row)?, What::Missing);
        }
        for (row, held) in pair.changed() {
            if self.old_may_differ {
                tally.old += 1;
                continue;
            }
            let id = Id::at(&ids, row)?;
            let first = match tally.differences.wants(&id) {
                true => first_change(&self.hasher, (&pair.source.rows, row), (&pair.held, held))?,
                false => None,
            };
            tally.differences.add(id, What::Changed { first });
        }
        Ok(())
    }

    /// The rows of a batch whose ids the target counts otherwise than it shows them, and how often
    /// it holds them: found by halving, until enough are named.
    async fn surplus(
        &self,
        tally: &mut Tally,
        ids: &ArrayRef,
        pair: &Pair,
        counted: u64,
    ) -> Result<Vec<(usize, u64)>> {
        let mut found = Vec::new();
        let mut stretches = vec![(0, ids.len(), counted)];
        while let Some((start, len, counted)) = stretches.pop() {
            let shown = pair.shown(start, len);
            if counted <= shown {
                continue;
            }
            if len == 1 {
                found.push((start, counted));
            } else if tally.differences.doubled as usize + found.len() >= SAMPLE {
                tally.differences.not_named += counted - shown;
            } else {
                let half = len / 2;
                let first = self.rows.count(&ids.slice(start, half)).await?.unwrap_or_default();
                stretches.push((start + half, len - half, counted.saturating_sub(first)));
                stretches.push((start, half, first));
            }
        }
        Ok(found)
    }
}

/// A batch of the source, and the target's rows of these ids.
struct Pair {
    source: Batch,
    held: RecordBatch,
    /// Key and row number, in the order of the rows.
    source_keys: Vec<(u128, usize)>,
    source_hashes: Vec<u128>,
    held_hashes: Vec<u128>,
    /// The target's row of a key.
    held_rows: HashMap<u128, usize>,
}

impl Pair {
    fn new(hasher: RowHasher, id: usize, source: Batch, held: RecordBatch) -> Result<Pair> {
        let source_keys = keys_of(source.rows.column(id))?.enumerate().map(|(n, k)| (k, n));
        let held_rows = keys_of(held.column(id))?.enumerate().map(|(n, key)| (key, n));
        Ok(Pair {
            source_keys: source_keys.collect(),
            held_rows: held_rows.collect(),
            source_hashes: hasher.hashes(&source.rows)?,
            held_hashes: hasher.hashes(&held)?,
            source,
            held,
        })
    }

    /// Rows whose ids the target does not show.
    fn missing(&self) -> Vec<usize> {
        let missing = self.source_keys.iter().filter(|(key, _)| !self.held_rows.contains_key(key));
        missing.map(|(_, row)| *row).collect()
    }

    /// Rows that are there with other values, in both.
    fn changed(&self) -> impl Iterator<Item = (usize, usize)> {
        self.source_keys.iter().filter_map(|(key, row)| {
            let held = *self.held_rows.get(key)?;
            (self.source_hashes[*row] != self.held_hashes[held]).then_some((*row, held))
        })
    }

    /// How many of these rows the target shows.
    fn shown(&self, start: usize, len: usize) -> u64 {
        let keys = &self.source_keys[start..start + len];
        keys.iter().filter(|(key, _)| self.held_rows.contains_key(key)).count() as u64
    }

    /// The checksum over the target's rows that have ids of the source.
    fn held_sum(&self) -> Checksum {
        let held = self.source_keys.iter().filter_map(|(key, _)| self.held_rows.get(key));
        held.map(|row| Checksum::of(self.held_hashes[*row], 1)).sum()
    }
}
