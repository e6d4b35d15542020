//! What is compared, and what the targets held before: the journal of the run tells, where it is
//! still there; else the configuration does, as far as it can.

use std::sync::Arc;

use crate::error::Result;
use crate::flow::plan::{Plan, TargetTable};
use crate::flow::{EarlierRun, Pipeline, Standing};
use crate::sink::Decision;

/// The plan to compare by, and for each of its targets, how many rows it held before the source's,
/// where that is known.
pub async fn plan(pipeline: &Arc<Pipeline>) -> Result<(Plan, Vec<Option<u64>>)> {
    // What a run wrote beside the tables stays as it is.
    pipeline.transforms.iter().for_each(|transform| transform.resume());
    let found = EarlierRun::find(&pipeline.settings.state_dir, &pipeline.identity)?;
    if let Some(Standing { run, at_work }) = found {
        if at_work {
            tracing::warn!("A run of this is at work: the target changes while it is compared");
        }
        let left_alone = run.plan.targets.iter().any(|t| t.plan.decision == Decision::Skip);
        if !left_alone && run.differences(pipeline).await?.is_empty() {
            let plan = Plan::resume(pipeline, &run, None).await?;
            let before = plan.targets.iter().map(|target| before_by_run(target)).collect();
            return Ok((plan, before));
        }
    }
    let plan = Plan::to_compare(pipeline).await?;
    let before = plan.targets.iter().map(|target| before_by_mode(target)).collect();
    Ok((plan, before))
}

fn before_by_run(target: &TargetTable) -> Option<u64> {
    match (target.progress.completion, target.plan.decision) {
        (Some(completion), _) => Some(completion.rows_before),
        (None, Decision::Create | Decision::Overwrite) => Some(0),
        (None, Decision::Append | Decision::Skip) => None,
    }
}

/// With `mode: overwrite` the target is to hold what the source holds, and nothing else.
fn before_by_mode(target: &TargetTable) -> Option<u64> {
    matches!(target.plan.decision, Decision::Create | Decision::Overwrite).then_some(0)
}
