//! Rows that the target holds and the source does not: found by listing the target's ids.

use std::collections::{HashMap, HashSet};

use arrow::compute::filter;
use arrow_array::{Array, BooleanArray};
use futures::{TryStreamExt, stream};

use super::buckets::{Buckets, bucket_of};
use super::differences::{Differences, What};
use super::rows::{Reading, SourceSide};
use crate::error::{Error, Result};
use crate::flow::Id;
use crate::flow::survey::keys_of;
use crate::sink::RowsById;
use crate::table::{Checksum, RowHasher};

/// Bytes of one id that is kept, with all around it.
const ENTRY_BYTES: u64 = 96;

/// Rows that are asked for at a time.
const AT_A_TIME: usize = 256;

/// Names ids of the target that are not the source's, or that it lists more often than the source
/// has them. `source` holds the ids of the source, each hashed as itself; `others` says how many
/// rows the target has too many.
///
/// Returns the checksum over these rows; none where not all of them were found.
pub async fn find(
    rows: &dyn RowsById,
    ids: &SourceSide<'_>,
    reading: &Reading<'_>,
    source: &Buckets,
    others: u64,
    differences: &mut Differences,
) -> Result<Option<Checksum>> {
    let Some(mut pages) = rows.ids() else {
        differences.not_named += others;
        return Ok(None);
    };
    let schema = &ids.target.write.schema;
    let (hasher, id_index) = (RowHasher::new(schema), schema.id_index());
    let mut target = Buckets::default();
    while let Some(page) = reading.until_stopped(pages.try_next()).await?? {
        keys_of(&page)?.for_each(|key| target.add(key, key));
    }
    let most = ids.pipeline.settings.memory / 4 / ENTRY_BYTES;
    let (chosen, whole) = source.differing(&target).within(most);
    let in_source = in_buckets(ids, reading, &chosen).await?;
    let mut in_target: HashMap<u128, (u64, Id)> = HashMap::new();
    let mut sum = Checksum::default();
    let mut pages = rows.ids().unwrap_or_else(|| Box::pin(stream::empty()));
    while let Some(page) = reading.until_stopped(pages.try_next()).await?? {
        let mut too_many = Vec::new();
        for (row, key) in keys_of(&page)?.enumerate() {
            let mut is_too_many = false;
            if chosen.contains(&bucket_of(key)) {
                let id = Id::at(&page, row)?;
                let (times, _) = in_target.entry(key).or_insert((0, id));
                *times += 1;
                is_too_many = *times > in_source.get(&key).copied().unwrap_or_default();
            }
            too_many.push(is_too_many);
        }
        let too_many = filter(&page, &BooleanArray::from(too_many))
            .map_err(|error| Error::internal("Ids can't be taken from a page").because(error))?;
        for start in (0..too_many.len()).step_by(AT_A_TIME) {
            let some = too_many.slice(start, AT_A_TIME.min(too_many.len() - start));
            let held = reading.until_stopped(rows.rows(&some)).await??;
            let hashes = hasher.hashes(&held)?;
            let of: HashMap<u128, u128> = keys_of(held.column(id_index))?.zip(hashes).collect();
            sum += keys_of(&some)?.filter_map(|key| Some(Checksum::of(*of.get(&key)?, 1))).sum();
        }
    }
    let mut named = 0;
    for (key, (times, id)) in in_target {
        let known = in_source.get(&key).copied().unwrap_or_default();
        if known == 0 {
            named += times;
            differences.add(id, What::Extra);
        } else if times > known {
            named += times - known;
            differences.add(id, What::Doubled { in_source: known, in_target: times });
        }
    }
    // Rows that came, or went, between the two readings are not accounted for.
    differences.not_named += others.saturating_sub(named);
    differences.at_least |= !whole;
    Ok((named == others && whole).then_some(sum))
}

/// How often the source has each id of these buckets.
async fn in_buckets(
    ids: &SourceSide<'_>,
    reading: &Reading<'_>,
    chosen: &HashSet<usize>,
) -> Result<HashMap<u128, u64>> {
    let found = reading
        .each(ids, async |found: &mut HashMap<u128, u64>, batch| {
            for key in keys_of(batch.rows.column(0))? {
                if chosen.contains(&bucket_of(key)) {
                    *found.entry(key).or_default() += 1;
                }
            }
            Ok(())
        })
        .await?;
    let mut all = HashMap::new();
    for (key, times) in found.into_iter().flatten() {
        *all.entry(key).or_default() += times;
    }
    Ok(all)
}
