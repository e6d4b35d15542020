//! The targets of a plan, marked as this run's before anything is decided about them.

use std::sync::Arc;

use super::ToWrite;
use crate::error::{Error, Result};
use crate::flow::Pipeline;
use crate::ownership::{Claim, Hold, MarkStore};
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

/// Marks all targets. With `resumes`, those of a sink where single rows count have to be the run's own
/// still: of single rows nothing but the count tells whose they are.
pub(super) async fn take(
    pipeline: &Pipeline,
    tables: &[ToWrite],
    claim: &Claim,
    resumes: bool,
) -> Result<Hold> {
    let (sink, stage) = marks(pipeline, tables).await?;
    let must_be_kept = resumes && pipeline.sink.granularity() == Granularity::Rows;
    let of_sink = Claim { must_be_kept, ..claim.clone() };
    let sink = sink.into_iter().map(|store| (store, of_sink.clone()));
    let all = sink.chain(stage.into_iter().map(|store| (store, claim.clone())));
    let hold = Hold::take(all.collect()).await?;
    pipeline.sink.set_hold(&hold);
    Ok(hold)
}
