//! The id survey: before anything is written, are there ids that occur twice, or that the target
//! holds already?
//!
//! It reads the id columns alone, all splits of a table, several at once. Memory stays bounded: a
//! quarter of the run's budget for the ids seen so far, the rest of them in sorted files below the
//! state folder, which are gone when the survey ends.

mod collector;
mod findings;
mod runs;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::Int64Type;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use futures::StreamExt;
use futures::future::try_join_all;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::flow::{Controls, MemoryBudget, Pipeline, Plan, ReadContext, TablePlan, blocking};
use crate::source::Columns;
use collector::{Collected, Collector, hash, id_of};
use findings::SAMPLE;
use runs::Folder;

pub use findings::{Id, IdFindings, Ids};

/// Looks at the ids of every table whose sink minds: one entry for each table of `plan`, in order.
/// Changes nothing.
///
/// # Errors
/// When ids can't be read or the target can't be asked. Ids that were found are no error here, see
/// [`IdFindings::into_error`].
pub async fn survey(
    pipeline: &Arc<Pipeline>,
    plan: &Plan,
    controls: &Controls,
) -> Result<Vec<IdFindings>> {
    let mut all = Vec::with_capacity(plan.tables.len());
    for table in &plan.tables {
        let asked = Asked::of(table);
        if !asked.unique && !asked.absent {
            all.push(IdFindings::default());
            continue;
        }
        let survey = Survey::start(pipeline, table, asked, controls)?;
        let findings = survey.run().await;
        all.push(findings.map_err(|e| e.at(format!("ids of table {}", table.source.name)))?);
    }
    Ok(all)
}

/// Surveys the ids of `plan` and stops at the first table whose ids keep it from being moved.
///
/// # Errors
/// What [`survey`] returns, or the error of the first table with ids that occur twice or that the
/// target holds already.
pub async fn check_ids(pipeline: &Arc<Pipeline>, plan: &Plan, controls: &Controls) -> Result<()> {
    let findings = survey(pipeline, plan, controls).await?;
    let mut tables = plan.tables.iter().zip(findings);
    let error = tables.find_map(|(table, found)| found.into_error(&table.source.name));
    error.map_or(Ok(()), Err)
}

/// What the sink wants to know of a table.
#[derive(Debug, Clone, Copy)]
struct Asked {
    unique: bool,
    absent: bool,
}

impl Asked {
    fn of(table: &TablePlan) -> Asked {
        let target = &table.target;
        Asked {
            unique: table.moves() && target.ids.unique,
            absent: table.moves() && target.ids.absent,
        }
    }
}

struct Survey<'a> {
    pipeline: &'a Pipeline,
    table: &'a TablePlan,
    asked: Asked,
    controls: &'a Controls,
    cx: ReadContext,
    parallelism: usize,
    folder: Arc<Folder>,
    /// Bytes that one collector may hold in memory.
    limit: usize,
}

/// What one worker gathers.
struct Gathered {
    rows: u64,
    ids: Collector,
    existing: Collector,
}

impl<'a> Survey<'a> {
    fn start(
        pipeline: &'a Pipeline,
        table: &'a TablePlan,
        asked: Asked,
        controls: &'a Controls,
    ) -> Result<Self> {
        let settings = &pipeline.settings;
        let parallelism = settings.parallelism.clamp(1, table.source.splits.len().max(1));
        // Half of the quarter for the source's ids, half for those the target holds.
        let share = settings.memory / 8 / parallelism as u64;
        let memory = MemoryBudget::new(settings.memory / 2);
        let cx = ReadContext::new(memory, settings.batch_size(), parallelism)?;
        Ok(Survey {
            pipeline,
            table,
            asked,
            controls,
            cx: ReadContext { cancel: controls.cancel.child_token(), ..cx },
            parallelism,
            folder: Arc::new(Folder::below(&settings.state_dir)),
            limit: usize::try_from(share).unwrap_or(usize::MAX),
        })
    }

    async fn run(&self) -> Result<IdFindings> {
        // Whatever ends the survey early ends its readers too.
        let _guard = self.cx.cancel.clone().drop_guard();
        let next = AtomicUsize::new(0);
        let smallest = Mutex::new(BTreeSet::new());
        let workers = (0..self.parallelism).map(|_| self.work(&next, &smallest));
        let gathered = try_join_all(workers).await?;
        let rows = gathered.iter().map(|g| g.rows).sum();
        let (ids, existing): (Vec<_>, Vec<_>) =
            gathered.into_iter().map(|g| (g.ids, g.existing)).unzip();
        let (count, repeated, keys, existing) = blocking(move || {
            let (mut repeated, mut keys) = (0u64, Vec::with_capacity(SAMPLE));
            let count = Collected::new(ids).count(|key| {
                repeated += 1;
                if keys.len() < SAMPLE {
                    keys.push(key);
                }
            })?;
            let existing = Collected::new(existing).count(|_| {})?;
            Ok((count, repeated, keys, existing))
        })
        .await?;
        let sample = smallest.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut findings = IdFindings {
            rows,
            existing: Ids { count: existing, sample: sample.into_iter().collect() },
            ..IdFindings::default()
        };
        if repeated > 0 {
            findings.surplus_rows = rows - count;
            findings.duplicates = Ids { count: repeated, sample: self.name(keys).await? };
        }
        Ok(findings)
    }

    /// Takes splits until none is left.
    async fn work(&self, next: &AtomicUsize, smallest: &Mutex<BTreeSet<Id>>) -> Result<Gathered> {
        let collector = || Collector::new(Arc::clone(&self.folder), self.limit);
        let mut gathered = Gathered { rows: 0, ids: collector(), existing: collector() };
        while let Some(split) = self.table.source.splits.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut batches =
                self.pipeline.source.open(&self.table.source, split, 0, Columns::Ids, &self.cx)?;
            while let Some(batch) = self.until_stopped(batches.next()).await? {
                let batch = batch?;
                let ids = Arc::clone(batch.rows.column(0));
                let held = match self.asked.absent {
                    true => {
                        let held = self.pipeline.sink.existing_ids(&self.table.write, &ids);
                        Some(self.until_stopped(held).await??)
                    }
                    false => None,
                };
                if let Some(held) = &held {
                    keep_smallest(smallest, held);
                }
                let unique = self.asked.unique;
                gathered = blocking(move || {
                    gathered.rows += batch.len();
                    if unique {
                        gathered.ids.add(&ids)?;
                    }
                    if let Some(held) = held {
                        gathered.existing.add(&held)?;
                    }
                    drop(batch);
                    Ok(gathered)
                })
                .await?;
            }
        }
        Ok(gathered)
    }

    async fn until_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let stopped = |token: &CancellationToken| token.clone().cancelled_owned();
        tokio::select! {
            biased;
            () = stopped(&self.controls.stop) => Err(Error::interrupted()),
            () = stopped(&self.controls.cancel) => Err(Error::interrupted()),
            done = work => Ok(done),
        }
    }

    /// The ids behind a few keys. Texts are not in their hashes, so they are looked for by reading
    /// once more, until all are found.
    async fn name(&self, keys: Vec<u128>) -> Result<Vec<Id>> {
        if *self.table.source.schema.id().data_type() == arrow::datatypes::DataType::Int64 {
            return Ok(keys.into_iter().map(|key| Id::Int(id_of(key))).collect());
        }
        let mut names: BTreeMap<u128, Option<String>> =
            keys.into_iter().map(|key| (key, None)).collect();
        'reading: for split in &self.table.source.splits {
            let mut batches =
                self.pipeline.source.open(&self.table.source, split, 0, Columns::Ids, &self.cx)?;
            while let Some(batch) = self.until_stopped(batches.next()).await? {
                let batch = batch?;
                for id in batch.rows.column(0).as_string::<i32>().iter().flatten() {
                    if let Some(name) = names.get_mut(&hash(id)) {
                        name.get_or_insert_with(|| id.to_owned());
                    }
                }
                if names.values().all(Option::is_some) {
                    break 'reading;
                }
            }
        }
        let mut names: Vec<_> = names.into_values().flatten().map(Id::Text).collect();
        names.sort();
        Ok(names)
    }
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
