//! `pipeline clean`: what dead runs left at the target.

use crate::cli::args::CleanArgs;
use crate::cli::{remains, runtime, terminal};
use crate::error::Result;
use crate::flow::{self, JournalFile, Pipeline};
use crate::words;
use crate::{Purpose, assemble};

/// Lists it; removes it when told to. What a run at work holds stays.
pub(super) fn clean(args: &CleanArgs) -> Result<u8> {
    runtime::block_on(async {
        let pipeline = assemble(&args.config.load().await?, Purpose::Plan)?;
        let cleaned = match args.yes {
            true => remove(&pipeline).await,
            false => list(&pipeline).await,
        };
        pipeline.close().await;
        cleaned
    })?;
    Ok(0)
}

async fn list(pipeline: &Pipeline) -> Result<()> {
    let all = flow::remains(pipeline, None).await?;
    if all.is_empty() {
        return terminal::print("No run has left anything at the target\n");
    }
    let advice = "Nothing was removed: --yes removes what no run at work holds. To resume a run instead, run its own command again.";
    terminal::print(&format!("{}{advice}\n", remains::table(&all)))
}

async fn remove(pipeline: &Pipeline) -> Result<()> {
    let (state, identity) = (&pipeline.settings.state_dir, &pipeline.identity);
    let journal = JournalFile::lock(state, identity)?;
    let claim = journal.claim("`pipeline clean`", true);
    pipeline.work_for(&claim.mark.run, &claim.own);
    let resumable = journal.earlier().is_some();
    let (removed, held) = flow::clean(pipeline, &claim).await?;
    drop(journal);
    if resumable && !removed.is_empty() {
        // What the interrupted run wrote is gone, so it can't be resumed.
        JournalFile::restart(state, identity)?;
    }
    for error in &held {
        tracing::warn!("Left alone: {error}");
    }
    let count = words::plural(removed.len() as u64, "thing");
    match removed.is_empty() {
        true => terminal::print("There was nothing to remove\n"),
        false => terminal::print(&format!("{}{count} removed\n", remains::table(&removed))),
    }
}
