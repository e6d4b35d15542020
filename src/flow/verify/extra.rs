//! Rows that the target holds and the source does not: found by listing the target's ids.

use std::collections::{HashMap, HashSet};

use futures::{TryStreamExt, stream};

use super::buckets::{Buckets, bucket_of};
use super::differences::{Differences, What};
use super::rows::{Reading, SourceSide};
use crate::error::Result;
use crate::flow::Id;
use crate::flow::survey::keys_of;
use crate::sink::RowsById;

/// Bytes of one id that is kept, with all around it.
const ENTRY_BYTES: u64 = 96;

/// Names ids of the target that are not the source's, or that it lists more often than the source
/// has them. `source` holds the ids of the source, each hashed as itself; `others` says how many
/// rows the target has too many.
pub async fn find(
    rows: &dyn RowsById,
    ids: &SourceSide<'_>,
    reading: &Reading<'_>,
    source: &Buckets,
    others: u64,
    differences: &mut Differences,
) -> Result<()> {
    let Some(mut pages) = rows.ids() else {
        differences.not_named += others;
        return Ok(());
    };
    let mut target = Buckets::default();
    while let Some(page) = reading.until_stopped(pages.try_next()).await?? {
        keys_of(&page)?.for_each(|key| target.add(key, key));
    }
    let most = ids.pipeline.settings.memory / 4 / ENTRY_BYTES;
    let (chosen, whole) = source.differing(&target).within(most);
    let in_source = in_buckets(ids, reading, &chosen).await?;
    let mut in_target: HashMap<u128, (u64, Id)> = HashMap::new();
    let mut pages = rows.ids().unwrap_or_else(|| Box::pin(stream::empty()));
    while let Some(page) = reading.until_stopped(pages.try_next()).await?? {
        for (row, key) in keys_of(&page)?.enumerate() {
            if chosen.contains(&bucket_of(key)) {
                let id = Id::at(&page, row)?;
                in_target.entry(key).or_insert((0, id)).0 += 1;
            }
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
    Ok(())
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
