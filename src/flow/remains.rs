//! What runs left at the targets: marks, and what they made there and did not come to put in place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::plan::ToWrite;
use crate::error::{Error, Kind, Result};
use crate::flow::Pipeline;
use crate::ownership::{Claim, End, Hold, MarkStore, Placed, began, state_of};
use crate::sink::{Granularity, Leftover, Sink, TableToWrite};

/// Something that a run left at a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// The target, as its marks call it.
    pub target: String,
    /// What it is, for people.
    pub what: String,
    /// The run; none for what names none.
    pub run: Option<String>,
    /// When the run began, in seconds since 1970.
    pub since: Option<u64>,
    /// Rows in it, where that is known.
    pub rows: Option<u64>,
    /// True when the run is at work.
    pub is_at_work: bool,
}

/// A target of the pipeline: what is asked about it, and of whom.
struct Spot<'a> {
    sink: &'a dyn Sink,
    write: TableToWrite,
    marks: Vec<Arc<dyn MarkStore>>,
}

/// Everything that runs other than `own` left at the targets of a pipeline. Changes nothing.
///
/// # Errors
/// When source or target can't be asked.
pub async fn remains(pipeline: &Pipeline, own: Option<&str>) -> Result<Vec<Remains>> {
    let tables = ToWrite::all(pipeline, pipeline.source.tables().await?).await?;
    remains_of(pipeline, &tables, own).await
}

/// The same for the targets of these tables.
pub(super) async fn remains_of(
    pipeline: &Pipeline,
    tables: &[ToWrite],
    own: Option<&str>,
) -> Result<Vec<Remains>> {
    let mut all: BTreeMap<(String, String), Remains> = BTreeMap::new();
    let mut marks = Marks::new();
    for spot in spots(pipeline, tables).await? {
        let target = spot.marks.first().map(|store| store.target()).unwrap_or_default();
        // Tables that are parts of one collection have the same leftovers.
        if spot.sink.granularity() == Granularity::Rows && marks.contains_key(&target) {
            continue;
        }
        let found = spot.remains(&mut marks).await?;
        for remains in
            found.into_iter().filter(|found| own.is_none() || found.run.as_deref() != own)
        {
            all.insert((remains.target.clone(), remains.what.clone()), remains);
        }
    }
    Ok(all.into_values().collect())
}

/// Removes what dead runs left at the targets of a pipeline; returns that, and why something stayed.
///
/// # Errors
/// When source or target can't be asked, or refuses.
pub async fn clean(pipeline: &Pipeline, claim: &Claim) -> Result<(Vec<Remains>, Vec<Error>)> {
    let (mut removed, mut held) = (Vec::new(), Vec::new());
    let mut known = BTreeSet::new();
    let tables = ToWrite::all(pipeline, pipeline.source.tables().await?).await?;
    for spot in spots(pipeline, &tables).await? {
        let found = spot.remains(&mut Marks::new()).await?;
        if found.is_empty() {
            continue;
        }
        // Nobody can begin to work there meanwhile.
        let marks = spot.marks.iter().map(|store| (Arc::clone(store), claim.clone()));
        let hold = match Hold::take(marks.collect()).await {
            Ok(hold) => hold,
            Err(error) if error.kind() == Kind::Held => {
                held.push(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        let cleared = spot.clear().await;
        hold.end(End::Done).await;
        cleared?;
        let new = found
            .into_iter()
            .filter(|found| known.insert((found.target.clone(), found.what.clone())));
        removed.extend(new);
    }
    Ok((removed, held))
}

async fn spots<'a>(pipeline: &'a Pipeline, tables: &[ToWrite]) -> Result<Vec<Spot<'a>>> {
    let mut spots = Vec::new();
    for table in tables {
        for sink in std::iter::once(&pipeline.sink).chain(&pipeline.stage) {
            let marks = sink.marks(&table.write).await?;
            spots.push(Spot { sink: &**sink, write: table.write.clone(), marks });
        }
    }
    Ok(spots)
}

/// Marks by their targets, as far as they have been listed.
type Marks = BTreeMap<String, Vec<Placed>>;

impl Spot<'_> {
    async fn remains(&self, known: &mut Marks) -> Result<Vec<Remains>> {
        let (mut all, mut at_work) = (Vec::new(), BTreeSet::new());
        let mut target = String::new();
        for store in &self.marks {
            target = store.target();
            if !known.contains_key(&target) {
                known.insert(target.clone(), store.list().await?);
            }
            for placed in known.get(&target).into_iter().flatten() {
                if !placed.looks_dead() {
                    at_work.insert(placed.mark.run.clone());
                }
                all.push(of_mark(&**store, placed));
            }
        }
        if let Some(first) = self.marks.first() {
            target = first.target();
        }
        for leftover in self.sink.leftovers(&self.write).await? {
            let Leftover { what, run, rows, .. } = leftover;
            // What names no run may be of one that is at work.
            let is_at_work = match &run {
                Some(run) => at_work.contains(run),
                None => !at_work.is_empty(),
            };
            let since = run.as_deref().and_then(began);
            all.push(Remains { target: target.clone(), what, run, since, rows, is_at_work });
        }
        Ok(all)
    }

    async fn clear(&self) -> Result<()> {
        for leftover in self.sink.leftovers(&self.write).await? {
            self.sink.clear(&self.write, &leftover).await?;
        }
        Ok(())
    }
}

fn of_mark(store: &dyn MarkStore, placed: &Placed) -> Remains {
    Remains {
        target: store.target(),
        what: format!("mark of a run of {}, {}", placed.mark.source, state_of(placed)),
        run: Some(placed.mark.run.clone()).filter(|run| !run.is_empty()),
        since: Some(placed.mark.since).filter(|since| *since > 0),
        rows: None,
        is_at_work: !placed.looks_dead(),
    }
}
