//! Ids as they leave the transforms: do some occur twice, does the target hold some already?

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Int64Type};
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;

use super::findings::{Id, IdFindings, Ids, SAMPLE, Surplus};
use super::keys::{self, Keys, hash, id_of, keys_of};
use super::pass::{Depth, Pass};
use crate::error::Result;
use crate::flow::blocking;
use crate::flow::plan::{Plan, TargetTable};
use crate::sink::Sink;
use crate::transform::NewIds;

/// What is to be found out about a target's ids.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Whether some occur twice, and who minds.
    pub unique: Option<Surplus>,
    /// Whether the target holds some.
    pub absent: bool,
    steps: usize,
}

impl Asked {
    /// The sink's rules hold for ids as they leave the transforms. Where tables are merged, and
    /// where ids are hashed, two of a kind are never what was meant. Nobody minds ids that are left
    /// behind.
    pub fn of(sink: &dyn Sink, plan: &Plan, target: &TargetTable) -> Option<Asked> {
        if sink.gives_ids() {
            return None;
        }
        let chain = &plan.tables[*target.tables.first()?].transforms;
        let by = if target.is_merged() {
            Some(Surplus::Merged)
        } else if chain.new_ids() == Some(NewIds::Hashed) {
            Some(Surplus::Hashed)
        } else if target.plan.ids.unique {
            Some(Surplus::Refused)
        } else {
            None
        };
        let unique = by.filter(|_| !chain.makes_unique());
        let absent = target.plan.ids.absent;
        let asked = target.moves() && (unique.is_some() || absent);
        asked.then_some(Asked { unique, absent, steps: chain.len() })
    }
}

/// What one worker gathers.
struct Gathered {
    rows: u64,
    ids: Keys,
    existing: Keys,
}

/// Looks at all ids.
pub async fn look(pass: &Pass<'_>, asked: Asked) -> Result<IdFindings> {
    let depth = Depth { steps: asked.steps, held: asked.absent };
    let both = asked.unique.is_some() && asked.absent;
    let memory = if both { pass.memory() / 2 } else { pass.memory() };
    let keys = || Keys::several(pass.workers, &pass.folder, memory);
    let states = keys().into_iter().zip(keys());
    let states = states.map(|(ids, existing)| Gathered { rows: 0, ids, existing }).collect();
    let smallest = Arc::new(Mutex::new(BTreeSet::new()));
    let keep = Arc::clone(&smallest);
    let gathered = pass
        .each(depth, states, move |all: &mut Gathered, seen| {
            all.rows += seen.ids.len();
            if asked.unique.is_some() {
                keys_of(seen.ids.rows.column(0))?.try_for_each(|key| all.ids.add(key))?;
            }
            if let Some(held) = &seen.held {
                keep_smallest(&keep, held);
                keys_of(held)?.try_for_each(|key| all.existing.add(key))?;
            }
            Ok(ControlFlow::Continue(()))
        })
        .await?;
    let rows = gathered.iter().map(|g| g.rows).sum();
    let (mut ids, mut existing): (Vec<_>, Vec<_>) =
        gathered.into_iter().map(|g| (g.ids, g.existing)).unzip();
    let (count, repeated, first, existing) = blocking(move || {
        let (mut count, mut repeated, mut first) = (0u64, 0u64, Vec::with_capacity(SAMPLE));
        for entry in keys::sorted(&mut ids)? {
            let (key, again) = entry?;
            count += 1;
            repeated += again;
            if again > 0 && first.len() < SAMPLE {
                first.push(key);
            }
        }
        let existing = keys::sorted(&mut existing)?.try_fold(0, |n, e| e.map(|_| n + 1))?;
        Ok((count, repeated, first, existing))
    })
    .await?;
    let sample = smallest.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut findings = IdFindings {
        rows,
        existing: Ids { count: existing, sample: sample.into_iter().collect() },
        ..IdFindings::default()
    };
    if repeated > 0 {
        findings.surplus_rows = rows - count;
        findings.surplus = asked.unique;
        findings.duplicates = Ids { count: repeated, sample: name(pass, depth, first).await? };
    }
    Ok(findings)
}

/// The ids behind a few keys. Texts are not in their hashes, so they are looked for by reading once
/// more, until all are found.
async fn name(pass: &Pass<'_>, depth: Depth, keys: Vec<u128>) -> Result<Vec<Id>> {
    if *pass.target.write.schema.id().data_type() == DataType::Int64 {
        return Ok(keys.into_iter().map(|key| Id::Int(id_of(key))).collect());
    }
    let names: BTreeMap<u128, Option<String>> = keys.into_iter().map(|key| (key, None)).collect();
    let names = Arc::new(Mutex::new(names));
    let found = Arc::clone(&names);
    let depth = Depth { held: false, ..depth };
    pass.each(depth, vec![(); pass.workers], move |(), seen| {
        let mut names = found.lock().unwrap_or_else(PoisonError::into_inner);
        for id in seen.ids.rows.column(0).as_string::<i32>().iter().flatten() {
            if let Some(name) = names.get_mut(&hash(id)) {
                name.get_or_insert_with(|| id.to_owned());
            }
        }
        Ok(match names.values().all(Option::is_some) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    })
    .await?;
    let names = names.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut names: Vec<_> = names.into_values().flatten().map(Id::Text).collect();
    names.sort();
    Ok(names)
}

fn keep_smallest(smallest: &Mutex<BTreeSet<Id>>, held: &ArrayRef) {
    let mut smallest = smallest.lock().unwrap_or_else(PoisonError::into_inner);
    let mut keep = |id: Id| {
        if smallest.len() < SAMPLE || smallest.last().is_some_and(|last| id < *last) {
            smallest.insert(id);
        }
        if smallest.len() > SAMPLE {
            smallest.pop_last();
        }
    };
    if let Some(ids) = held.as_primitive_opt::<Int64Type>() {
        ids.values().iter().for_each(|id| keep(Id::Int(*id)));
    } else if let Some(ids) = held.as_string_opt::<i32>() {
        ids.iter().flatten().for_each(|id| keep(Id::Text(id.to_owned())));
    }
}
