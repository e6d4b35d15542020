//! Which rows `dedupe` leaves out.
//!
//! The ids are read twice. The first time finds the ids that come more than once, exactly. Most
//! tables have none, and that is the end of it. Otherwise their keys are put in a filter of a fixed
//! size, and the second time notes the key and the position of each row whose id passes it. Sorted
//! by both, rows of one id stand together in source order, and what the filter let through by
//! mistake stands alone. Where ids are dense the first time keeps them in bitmaps; sorting keys and
//! positions of all rows at once would read the ids once, but write every row to disk, of any
//! table.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::filter::Filter;
use super::keys::{self, Keys, keys_of};
use super::left_out::LeftOut;
use super::pass::{Depth, Pass};
use super::places::{self, Places};
use super::runs::Entries;
use crate::error::Result;
use crate::flow::blocking;
use crate::transform::dedupe::Keep;

/// Finds the rows that a `dedupe` after `steps` other transforms leaves out.
pub async fn left_out(pass: &Pass<'_>, steps: usize, keep: Keep) -> Result<LeftOut> {
    let (depth, memory) = (Depth { steps, held: false }, pass.memory());
    let seen = Keys::several(pass.workers, &pass.folder, memory);
    let mut seen = pass
        .each(depth, seen, |keys, seen| {
            keys_of(seen.ids.rows.column(0))?.try_for_each(|key| keys.add(key))?;
            Ok(ControlFlow::Continue(()))
        })
        .await?;
    let filter = blocking(move || filter_of(keys::sorted(&mut seen)?, memory / 2)).await?;
    let Some(filter) = filter.map(Arc::new) else { return Ok(LeftOut::default()) };
    let found = Places::several(pass.workers, &pass.folder, memory / 2);
    let mut found = pass
        .each(depth, found, move |places, seen| {
            let place = &seen.ids.place;
            let positions = place.rows().map(|row| place.position + (row - place.first_row));
            for (key, position) in keys_of(seen.ids.rows.column(0))?.zip(positions) {
                if filter.may_hold(key) {
                    places.add(key, position)?;
                }
            }
            Ok(ControlFlow::Continue(()))
        })
        .await?;
    let (folder, splits) = (Arc::clone(&pass.folder), pass.target.splits.clone());
    blocking(move || {
        // Rows to leave out come by key; as keys of their own they are sorted by position.
        let mut positions = Keys::several(1, &folder, memory / 2);
        surplus(places::sorted(&mut found)?, keep, |position| {
            positions.iter_mut().try_for_each(|all| all.add(position.into()))
        })?;
        drop(found);
        let sorted = keys::sorted(&mut positions)?;
        LeftOut::write(Arc::clone(&folder), &splits, sorted.map(|e| Ok(e?.0 as u64)))
    })
    .await
}

/// The keys that come more than once, if there are any.
fn filter_of(keys: Entries<'_>, bytes: u64) -> Result<Option<Filter>> {
    let mut filter = None;
    for entry in keys {
        let (key, again) = entry?;
        if again > 0 {
            filter.get_or_insert_with(|| Filter::new(bytes)).add(key);
        }
    }
    Ok(filter)
}

/// Of the positions with one key, all but the one that is kept.
fn surplus(
    entries: Entries<'_>,
    keep: Keep,
    mut leave_out: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    let mut last = None;
    for entry in entries {
        let (key, position) = entry?;
        if let Some((_, before)) = last.filter(|(other, _)| *other == key) {
            leave_out(match keep {
                Keep::First => position,
                Keep::Last => before,
            })?;
        }
        last = Some((key, position));
    }
    Ok(())
}
