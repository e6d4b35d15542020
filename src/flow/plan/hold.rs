//! The targets of a plan, marked as this run's before anything is decided about them.

use std::sync::Arc;

use super::ToWrite;
use crate::error::{Error, Result};
use crate::flow::Pipeline;
use crate::ownership::{Claim, End, Hold, MarkStore};
use crate::sink::Granularity;

/// The marks of all targets of these tables: those of the sink, and those of the stage.
pub(in crate::flow) async fn marks(
    pipeline: &Pipeline,
    tables: &[ToWrite],
) -> Result<(Vec<Arc<dyn MarkStore>>, Vec<Arc<dyn MarkStore>>)> {
    let (mut sink, mut stage) = (Vec::new(), Vec::new());
    for ToWrite { source, write, .. } in tables {
        let place = |error: Error| error.at(format!("table {}", source.name));
        sink.extend(pipeline.sink.marks(write).await.map_err(place)?);
        if let Some(beside) = &pipeline.stage {
            stage.extend(beside.marks(write).await.map_err(place)?);
        }
    }
    Ok((sink, stage))
}

/// Marks all targets. With `resumes`, they have to be those that the interrupted run left.
pub(super) async fn take(
    pipeline: &Pipeline,
    tables: &[ToWrite],
    claim: &Claim,
    resumes: bool,
) -> Result<Hold> {
    let (sink, stage) = marks(pipeline, tables).await?;
    let own: Vec<_> = sink.iter().map(|store| store.target()).collect();
    let hold = Hold::take(sink.into_iter().chain(stage).collect(), claim).await?;
    // Whole splits are known by what they are. Of single rows nothing but the count tells.
    if resumes && pipeline.sink.granularity() == Granularity::Rows {
        let mut broken = hold.broken();
        broken.retain(|target| own.contains(target));
        if let Some(first) = broken.first() {
            let error = Error::target(
                "The interrupted run can't be resumed: another run took its target over meanwhile, or its mark was removed",
            )
            .at(first)
            .help("rows of both may be there: start again with --restart, and mode: overwrite, or on_conflict: skip or upsert");
            hold.end(End::Untouched).await;
            return Err(error);
        }
    }
    Ok(hold)
}
