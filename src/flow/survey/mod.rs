//! The survey of ids, before anything is written: which rows does `dedupe` leave out, and of the
//! ids that leave the transforms, are there some that occur twice, or that the target holds
//! already?
//!
//! It reads the id columns alone, all splits of a target, several at once. Memory stays bounded: a
//! quarter of the run's budget for what was seen so far, half of it for what is being read. The
//! rest is in files below the state folder; they are gone when the survey ends, but for the rows to
//! leave out, which stay until the run does.

mod filter;
mod findings;
mod folder;
mod keys;
mod left_out;
mod look;
mod pass;
mod places;
mod repeated;
mod runs;

use std::sync::Arc;

use crate::error::Result;
use crate::flow::plan::{Plan, TargetTable};
use crate::flow::{Controls, Pipeline, Verify};
use look::Asked;
use pass::Pass;

pub use findings::{Id, IdFindings, Ids, Surplus};
pub(super) use folder::Folder;
pub(super) use keys::{Keys, id_of, keys_of, sorted};
pub(super) use left_out::not_surveyed;
pub use left_out::{LeftOut, SplitLeftOut};
pub(super) use pass::placed;

/// Looks at the ids of every target where a transform or the sink minds: one entry for each target
/// of `plan`, in order. Notes in the plan which rows `dedupe` leaves out; changes nothing else.
///
/// # Errors
/// When ids can't be read or the target can't be asked. Ids that were found are no error here, see
/// [`IdFindings::into_error`].
pub async fn survey(
    pipeline: &Arc<Pipeline>,
    plan: &Plan,
    controls: &Controls,
) -> Result<Vec<IdFindings>> {
    let mut all = Vec::with_capacity(plan.targets.len());
    for target in &plan.targets {
        let findings = survey_target(pipeline, plan, target, controls).await;
        all.push(findings.map_err(|e| e.at(format!("ids of table {}", target.write.name)))?);
    }
    Ok(all)
}

async fn survey_target(
    pipeline: &Pipeline,
    plan: &Plan,
    target: &TargetTable,
    controls: &Controls,
) -> Result<IdFindings> {
    let at_work = target.moves() && !target.is_complete();
    // A target that is complete is read again only to be compared.
    if at_work || target.moves() && pipeline.settings.verify == Verify::Content {
        find_left_out(pipeline, plan, target, controls).await?;
    }
    // Of rows that an interrupted run wrote, the target holds the ids by now.
    let untouched = at_work && target.progress.memo.is_none();
    match Asked::of(&*pipeline.sink, plan, target).filter(|_| untouched) {
        Some(asked) => look::look(&Pass::new(pipeline, plan, target, controls)?, asked).await,
        None => Ok(IdFindings::default()),
    }
}

/// Notes in the plan which rows of a target `dedupe` leaves out, if it is asked to.
///
/// # Errors
/// When ids can't be read.
pub(super) async fn find_left_out(
    pipeline: &Pipeline,
    plan: &Plan,
    target: &TargetTable,
    controls: &Controls,
) -> Result<()> {
    let first = target.tables.first().map(|table| &plan.tables[*table].transforms);
    let dedupe = first.and_then(|chain| chain.dedupe());
    if let (Some((step, keep)), None) = (dedupe, target.left_out.get()) {
        let pass = Pass::new(pipeline, plan, target, controls)?;
        let left_out = repeated::left_out(&pass, step, keep).await?;
        let _ = target.left_out.set(Arc::new(left_out));
    }
    Ok(())
}

/// Surveys the ids of `plan` and stops at the first target whose ids keep it from being filled.
///
/// # Errors
/// What [`survey`] returns, or the error of the first target with ids that occur twice or that it
/// holds already.
pub async fn check_ids(pipeline: &Arc<Pipeline>, plan: &Plan, controls: &Controls) -> Result<()> {
    let findings = survey(pipeline, plan, controls).await?;
    let mut targets = plan.targets.iter().zip(findings);
    let error = targets.find_map(|(target, found)| found.into_error(&target.write.name));
    error.map_or(Ok(()), Err)
}
