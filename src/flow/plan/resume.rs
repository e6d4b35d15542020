//! The plan of a run that goes on where another one stopped: read back, never made anew.

use std::sync::Arc;

use super::{Alone, Plan, TargetTable, ToWrite, hold, overlap};
use crate::error::{Error, Result};
use crate::flow::{EarlierRun, Pipeline, SavedTable};
use crate::ownership::{Claim, End, Hold};
use crate::source::{Source, SourceTable};

impl Plan {
    /// Reads the plan of an interrupted run back, with how far it came. Without a claim, it is only looked
    /// at.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) when the settings or the source are not what
    /// they were; [`Kind::Held`](crate::error::Kind::Held) when another run has one of its targets;
    /// and when source or target can't be looked at.
    pub async fn resume(
        pipeline: &Pipeline,
        earlier: &EarlierRun,
        claim: Option<&Claim>,
    ) -> Result<Plan> {
        let saved = &earlier.plan;
        if let Some(why) = earlier.is_spoiled() {
            return Err(Error::config(format!("The interrupted run can't be gone on with: {why}"))
                .help("begin anew with --restart: into an empty target, with mode: overwrite, or with on_conflict: upsert"));
        }
        let settings = saved.settings_differ(&pipeline.identity);
        if !settings.is_empty() {
            return Err(earlier.differs(&settings));
        }
        let (sources, now) = look(&*pipeline.source).await?;
        let source = saved.source_differs(&now);
        if !source.is_empty() {
            return Err(earlier.differs(&source));
        }
        pipeline.work_for(&saved.run, claim.map_or(&[], |claim| &claim.own));
        pipeline.transforms.iter().for_each(|transform| transform.resume());
        let memos = earlier.targets.iter().filter_map(|target| target.memo.as_ref());
        pipeline.sink.resume(&memos.map(|memo| &memo.sink).collect::<Vec<_>>()).await;
        let mut target_of = vec![0; sources.len()];
        for (t, target) in saved.targets.iter().enumerate() {
            for table in &target.tables {
                *target_of.get_mut(*table).ok_or_else(broken)? = t;
            }
        }
        let as_saved = sources.into_iter().zip(&saved.tables).map(|(source, table)| {
            pipeline.source.resume(&table.splits)?;
            Ok(SourceTable { splits: table.splits.clone(), ..source })
        });
        let sources = as_saved.collect::<Result<Vec<_>>>()?;
        let tables = ToWrite::all(pipeline, sources).await?;
        let hold = match claim {
            // An account that may not mark can't keep a mark.
            Some(claim) => hold::take(pipeline, &tables, claim, !saved.unmarked).await?,
            None => Hold::none(),
        };
        match Plan::resume_held(pipeline, earlier, (tables, target_of)).await {
            Ok(plan) => Ok(Plan { hold, ..plan }),
            Err(error) => {
                hold.end(End::Untouched).await;
                Err(error)
            }
        }
    }

    async fn resume_held(
        pipeline: &Pipeline,
        earlier: &EarlierRun,
        (tables, target_of): (Vec<ToWrite>, Vec<usize>),
    ) -> Result<Plan> {
        let saved = &earlier.plan;
        let mut alone = Vec::new();
        for (ToWrite { source, transforms, write }, target) in tables.into_iter().zip(&target_of) {
            let target = saved.targets.get(*target).ok_or_else(broken)?.plan.clone();
            alone.push(Alone { source, transforms, write, target });
        }
        let mut targets = Vec::new();
        for (target, progress) in saved.targets.iter().zip(&earlier.targets) {
            let target = TargetTable::resume(pipeline, &alone, target, progress).await?;
            targets.push(Arc::new(target));
        }
        let plan = Plan::of(alone, target_of, targets);
        overlap::check(pipeline, &plan).await?;
        Ok(Plan { resumes: Some(earlier.started.clone()), ..plan })
    }
}

impl EarlierRun {
    /// How this run differs from what `pipeline` would do now; nothing when it can be gone on with.
    ///
    /// # Errors
    /// When the source can't be looked at.
    pub async fn differences(&self, pipeline: &Pipeline) -> Result<Vec<String>> {
        let mut all = self.plan.settings_differ(&pipeline.identity);
        all.extend(self.is_spoiled().map(str::to_owned));
        if all.is_empty() {
            all = self.plan.source_differs(&look(&*pipeline.source).await?.1);
        }
        Ok(all)
    }
}

/// The source's tables as they are now, and what they are recognised by.
async fn look(source: &dyn Source) -> Result<(Vec<SourceTable>, Vec<SavedTable>)> {
    let tables = source.tables().await?;
    let mut saved = Vec::new();
    for table in &tables {
        saved.push(SavedTable::of(source, table).await?);
    }
    Ok((tables, saved))
}

fn broken() -> Error {
    Error::internal("The journal's plan names tables that it lacks")
}
