//! What is compared, and what the targets held before: the journal of the run tells, where it is
//! still there; else the configuration does, as far as it can.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::flow::journal::listed;
use crate::flow::plan::{Plan, TargetTable};
use crate::flow::{EarlierRun, Pipeline, Standing};
use crate::sink::{Completion, Decision};
use crate::words::moment;

/// The plan to compare by, and for each of its targets, how many rows it held before the source's,
/// where that is known.
pub async fn plan(pipeline: &Arc<Pipeline>) -> Result<(Plan, Vec<Option<u64>>)> {
    // What a run wrote beside the tables stays as it is.
    pipeline.transforms.iter().for_each(|transform| transform.resume());
    let mut known = BTreeMap::new();
    let found = EarlierRun::find(&pipeline.settings.state_dir, &pipeline.identity)?;
    if let Some(Standing { run, at_work }) = found {
        if at_work {
            tracing::warn!("A run of this is at work: the target changes while it is compared");
        }
        let differences = run.differences(pipeline).await?;
        let left_alone = run.plan.targets.iter().any(|t| t.plan.decision == Decision::Skip);
        if !left_alone && differences.is_empty() {
            let plan = Plan::resume(pipeline, &run, None).await?;
            let before = plan.targets.iter().map(|target| before_by_plan(target)).collect();
            return Ok((plan, before));
        }
        if !differences.is_empty() {
            tracing::warn!(
                "The source is compared as it is now, not as it was in the run of {}: {}",
                moment(&run.started),
                listed(&differences)
            );
        }
        known = before_by_run(&run);
    }
    let plan = Plan::to_compare(pipeline).await?;
    let before = plan.targets.iter().map(|target| {
        let by_run = known.get(target.plan.target.as_str()).copied();
        by_run.or_else(|| before_by_mode(target))
    });
    let before = before.collect();
    Ok((plan, before))
}

/// What the targets of a run held before it, by their names. A target that it created or replaced stays its
/// own whatever became of the source.
fn before_by_run(run: &EarlierRun) -> BTreeMap<String, u64> {
    let targets = run.plan.targets.iter().zip(&run.targets);
    let before = targets.filter_map(|(target, progress)| {
        let before = before(progress.completion, target.plan.decision)?;
        Some((target.plan.target.clone(), before))
    });
    before.collect()
}

fn before_by_plan(target: &TargetTable) -> Option<u64> {
    before(target.progress.completion, target.plan.decision)
}

fn before(completion: Option<Completion>, decision: Decision) -> Option<u64> {
    match (completion, decision) {
        (Some(completion), _) => Some(completion.rows_before),
        (None, Decision::Create | Decision::Overwrite) => Some(0),
        (None, Decision::Append | Decision::Skip) => None,
    }
}

/// With `mode: overwrite` the target is to hold what the source holds, and nothing else.
fn before_by_mode(target: &TargetTable) -> Option<u64> {
    matches!(target.plan.decision, Decision::Create | Decision::Overwrite).then_some(0)
}
