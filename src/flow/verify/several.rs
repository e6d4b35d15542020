//! Comparing where several rows may rightly have one id, and the target shows one of them: each id
//! must be there, and the row that is shown must be one of the source's.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::DataType;

use super::comparison::{Comparison, Verdict};
use super::differences::{Differences, SAMPLE, What};
use super::rows::{Reading, SourceSide};
use crate::error::Result;
use crate::flow::survey::{Folder, Keys, id_of, keys_of, sorted};
use crate::flow::{Batch, Id, blocking};
use crate::sink::{Duplicates, RowsById};
use crate::source::Columns;
use crate::table::{Checksum, RowHasher};

/// What one worker has found so far.
#[derive(Default)]
struct Tally {
    rows: u64,
    source: Checksum,
    differences: Differences,
}

/// Ids whose row was the one that the target shows, and ids whose row was not. Beyond a bound, they
/// are on disk.
#[derive(Clone)]
struct Ids {
    right: Arc<Mutex<Vec<Keys>>>,
    wrong: Arc<Mutex<Vec<Keys>>>,
}

pub async fn compare(
    rows: &dyn RowsById,
    side: &SourceSide<'_>,
    reading: &Reading<'_>,
    ours: bool,
    duplicates: Option<Duplicates>,
) -> Result<Comparison> {
    let settings = &side.pipeline.settings;
    let folder = Arc::new(Folder::below(&settings.state_dir));
    let keys = || Arc::new(Mutex::new(Keys::several(1, &folder, settings.memory / 8)));
    let ids = Ids { right: keys(), wrong: keys() };
    let schema = &side.target.write.schema;
    let (hasher, id) = (RowHasher::new(schema), schema.id_index());
    let tallies = reading
        .each(side, async |tally: &mut Tally, batch: Batch| {
            let held = rows.rows(batch.rows.column(id)).await?;
            let (hasher, ids) = (hasher.clone(), ids.clone());
            let found = blocking(move || {
                let mut found = Tally { rows: batch.len(), ..Tally::default() };
                let hashes = hasher.hashes(&batch.rows)?;
                let held: HashMap<u128, u128> =
                    keys_of(held.column(id))?.zip(hasher.hashes(&held)?).collect();
                let column = batch.rows.column(id);
                for ((row, key), hash) in keys_of(column)?.enumerate().zip(&hashes) {
                    found.source += Checksum::of(*hash, 1);
                    let keys = match held.get(&key) {
                        None => {
                            found.differences.add(Id::at(column, row)?, What::Missing);
                            continue;
                        }
                        Some(shown) if shown == hash => &ids.right,
                        Some(_) => &ids.wrong,
                    };
                    let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
                    keys.iter_mut().try_for_each(|keys| keys.add(key))?;
                }
                Ok(found)
            });
            let found = found.await?;
            tally.rows += found.rows;
            tally.source += found.source;
            tally.differences.merge(found.differences);
            Ok(())
        })
        .await?;
    let mut all = Tally::default();
    for tally in tallies {
        all.rows += tally.rows;
        all.source += tally.source;
        all.differences.merge(tally.differences);
    }
    let (changed, first) = blocking(move || never_right(&ids)).await?;
    for named in name(side, reading, first).await? {
        all.differences.name(named, What::Changed { first: None });
    }
    all.differences.changed = changed;
    let total = reading.until_stopped(rows.count_all()).await??;
    let by_count = ours && duplicates != Some(Duplicates::OneKept);
    if by_count {
        all.differences.not_named += total.saturating_sub(all.rows);
        all.differences.missing = all.differences.missing.max(all.rows.saturating_sub(total));
    }
    let mut note = "ids may come several times, and the target shows one row of each: compared were that row with the source's rows of its id".to_owned();
    if by_count {
        note.push_str(", and the number of rows");
    }
    let verdict = if all.differences.is_empty() { Verdict::Same } else { Verdict::Differ };
    Ok(Comparison {
        verdict,
        rows_in_source: Some(all.rows),
        rows_in_target: by_count.then_some(total),
        other_rows: None,
        checksum_of_source: Some(all.source),
        checksum_of_target: None,
        differences: all.differences,
        notes: vec![note],
    })
}

/// Ids of which no row was the one that is shown: how many, and the first keys.
fn never_right(ids: &Ids) -> Result<(u64, Vec<u128>)> {
    let mut right = ids.right.lock().unwrap_or_else(PoisonError::into_inner);
    let mut wrong = ids.wrong.lock().unwrap_or_else(PoisonError::into_inner);
    let mut right = sorted(&mut right)?.peekable();
    let (mut count, mut first) = (0, Vec::new());
    for entry in sorted(&mut wrong)? {
        let (key, _) = entry?;
        while right.next_if(|e| e.as_ref().is_ok_and(|(other, _)| *other < key)).is_some() {}
        match right.peek() {
            Some(Ok((other, _))) if *other == key => continue,
            Some(Err(_)) => {
                if let Some(Err(error)) = right.next() {
                    return Err(error);
                }
            }
            _ => {}
        }
        count += 1;
        if first.len() < SAMPLE {
            first.push(key);
        }
    }
    Ok((count, first))
}

/// The ids behind a few keys. Texts are not in their hashes, so they are looked for once more.
async fn name(side: &SourceSide<'_>, reading: &Reading<'_>, keys: Vec<u128>) -> Result<Vec<Id>> {
    if keys.is_empty() || *side.target.write.schema.id().data_type() == DataType::Int64 {
        return Ok(keys.into_iter().map(|key| Id::Int(id_of(key))).collect());
    }
    let side = SourceSide { columns: Columns::Ids, ..*side };
    let found = reading
        .each(&side, async |found: &mut BTreeMap<u128, Id>, batch: Batch| {
            let ids = batch.rows.column(0);
            for (row, key) in keys_of(ids)?.enumerate() {
                if keys.contains(&key) {
                    found.insert(key, Id::at(ids, row)?);
                }
            }
            Ok(())
        })
        .await?;
    let all: BTreeMap<u128, Id> = found.into_iter().flatten().collect();
    Ok(all.into_values().collect())
}
