//! `pipeline status`: how far the last run came.

use crate::cli::args::ConfigArgs;
use crate::cli::layout::{Column, Columns, clean};
use crate::cli::{remains, runtime, terminal};
use crate::error::Result;
use crate::flow::{self, EarlierRun, Pipeline, SavedTarget, Standing, TargetProgress};
use crate::sink::Decision;
use crate::words;
use crate::{Purpose, assemble};

/// Reads the journal, looks whether the source is still the same, and what runs left at the targets,
/// and prints it all. Changes nothing.
pub(super) fn status(args: &ConfigArgs) -> Result<u8> {
    runtime::block_on(async {
        let pipeline = assemble(&args.load().await?, Purpose::Plan)?;
        let standing = EarlierRun::find(&pipeline.settings.state_dir, &pipeline.identity)?;
        terminal::print(&match standing {
            None => format!("{NO_RUN}\n"),
            Some(Standing { run, at_work }) => {
                let next = next(&pipeline, &run, at_work).await;
                format!("{}{}\n{next}\n", tables(&run), ended(&run, at_work))
            }
        })?;
        // Of a target that can't be asked, the journal tells all that is known.
        let left = flow::remains(&pipeline, None).await.unwrap_or_default();
        pipeline.close().await;
        match left.is_empty() {
            true => Ok(()),
            false => terminal::print(&format!("\nAt the targets:\n{}", remains::table(&left))),
        }
    })?;
    Ok(0)
}

const NO_RUN: &str = "No run of this has left a trace: `pipeline run` starts from the first row";

fn tables(run: &EarlierRun) -> String {
    let mut columns = Columns::new(&[
        Column::Left("SOURCE"),
        Column::Left("TARGET"),
        Column::Left("STATE"),
        Column::Right("SPLITS"),
        Column::Right("ROWS"),
        Column::Right("OF"),
    ]);
    for (target, progress) in run.plan.targets.iter().zip(&run.targets) {
        let tables = || target.tables.iter().filter_map(|table| run.plan.tables.get(*table));
        let names: Vec<_> = tables().map(|table| table.name.as_str()).collect();
        let rows = tables().map(|table| table.rows).sum();
        columns.row([
            names.join(" + "),
            target.plan.target.clone(),
            state(target, progress).to_owned(),
            format!("{} of {}", words::count(progress.finished() as u64), progress.splits.len()),
            words::count(progress.settled()),
            words::count(rows),
        ]);
    }
    columns.render("")
}

fn state(target: &SavedTarget, progress: &TargetProgress) -> &'static str {
    if target.plan.decision == Decision::Skip {
        "left alone"
    } else if progress.completion.is_some() {
        "complete"
    } else if progress.memo.is_some() {
        "begun"
    } else {
        "waiting"
    }
}

fn ended(run: &EarlierRun, at_work: bool) -> String {
    let began = words::moment(&run.started);
    match &run.ended {
        _ if at_work => format!("The run of {began} is at work."),
        None => format!("The run of {began} was cut off: killed, or the machine went down."),
        Some(ended) => {
            let at = words::moment(&ended.at);
            match &ended.error {
                None => format!("The run of {began} was done at {at}."),
                Some(_) if ended.interrupted => {
                    format!("The run of {began} was interrupted at {at}.")
                }
                // The first line says what; the others where, and what to do.
                Some(error) => format!(
                    "The run of {began} failed at {at}: {}.",
                    clean(error.lines().next().unwrap_or_default())
                ),
            }
        }
    }
}

/// What `run` would do now.
async fn next(pipeline: &Pipeline, run: &EarlierRun, at_work: bool) -> String {
    if at_work {
        return "`pipeline run` refuses to work beside it.".to_owned();
    }
    if !run.is_resumable() {
        return "`pipeline run` starts from the first row.".to_owned();
    }
    match run.differences(pipeline).await {
        Ok(differences) if differences.is_empty() => {
            let splits = run.targets.iter().map(|target| target.splits.len() as u64).sum();
            let finished = run.targets.iter().map(|target| target.finished() as u64).sum();
            format!(
                "`pipeline run` goes on: {} of {} are done.",
                words::count(finished),
                words::plural(splits, "split")
            )
        }
        Ok(differences) => format!("`pipeline run` refuses: {}", run.differs(&differences)),
        Err(error) => format!("`pipeline run` fails as it is now: {error}"),
    }
}
