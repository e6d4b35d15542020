//! `pipeline run`: moves the data.

use std::sync::Arc;

use crate::cli::args::{self, LogArgs, RunArgs, RunFlags};
use crate::cli::progress::{Progress, Style};
use crate::cli::{announce, logging, results, runtime, signals};
use crate::config::Text;
use crate::error::{Error, Kind, Result};
use crate::flow::{self, Controls, JournalFile, Pipeline, Plan, TableRun};
use crate::ownership::{self, Claim, End};
use crate::report::{MetricsServer, ReportFile, RunReport, Started, html};
use crate::{Purpose, assemble};

/// Runs a configuration file.
pub(super) fn run(args: &RunArgs, log: &LogArgs) -> Result<u8> {
    let config = &args.config;
    let name = config.config.display().to_string();
    move_rows(Job { name, text: config.text(), sets: &config.sets, flags: &args.flags }, log)
}

/// What is run.
pub(super) struct Job<'a> {
    /// What reports call it.
    pub name: String,
    /// The configuration.
    pub text: Result<Text>,
    pub sets: &'a [String],
    pub flags: &'a RunFlags,
}

/// Runs the configuration, prints what became of each table, and writes the reports that were
/// asked for, whether the run succeeded or not.
pub(super) fn move_rows(job: Job<'_>, log: &LogArgs) -> Result<u8> {
    let Job { name, text, sets, flags: args } = job;
    let started = Started::now();
    let json_file = args.report.as_deref().map(ReportFile::at).transpose()?;
    let html_file = args.report_html.as_deref().map(ReportFile::at).transpose()?;
    let mut run = Run::default();
    let moved = runtime::block_on(async {
        let moved = run.go(&name, (text, sets, args), log).await;
        if let Some(pipeline) = &run.pipeline {
            pipeline.close().await;
        }
        ownership::all_given_back().await;
        moved
    });
    let pipeline = run.pipeline.as_deref();
    let report = RunReport::new(started, name, pipeline, &run.tables, moved.as_ref().err());
    let written = results::print(&report)
        .and(json_file.map_or(Ok(()), |file| file.write(&report.to_json()?)))
        .and(html_file.map_or(Ok(()), |file| file.write(&html(&report))));
    match (moved, written) {
        (Ok(()), Ok(())) => Ok(report.exit_code),
        (Ok(()), Err(error)) => Err(error),
        (Err(error), Ok(())) => Err(error),
        (Err(error), Err(second)) => {
            tracing::error!("{second}");
            Err(error)
        }
    }
}

/// How far a run came.
#[derive(Default)]
struct Run {
    pipeline: Option<Arc<Pipeline>>,
    tables: Vec<Arc<TableRun>>,
}

impl Run {
    async fn go(
        &mut self,
        name: &str,
        (text, sets, args): (Result<Text>, &[String], &RunFlags),
        log: &LogArgs,
    ) -> Result<()> {
        let controls = Controls::default();
        signals::watch(&controls)?;
        let config = args.apply(args::load(&text?, sets).await?);
        if let Some(dir) = &config.run.log_dir {
            logging::log_to(dir)?;
        }
        let pipeline = Arc::new(assemble(&config, Purpose::Run(args.verify.into()))?);
        self.pipeline = Some(Arc::clone(&pipeline));
        let mut metrics = args.metrics.map(MetricsServer::listen).transpose()?;
        let journal = match args.restart {
            true => JournalFile::restart(&pipeline.settings.state_dir, &pipeline.identity)?,
            false => JournalFile::lock(&pipeline.settings.state_dir, &pipeline.identity)?,
        };
        let of = format!("{name} (from {})", pipeline.source.kind());
        let claim = journal.claim(&of, args.take_over);
        let plan = tokio::select! {
            biased;
            () = controls.stop.cancelled() => return Err(Error::interrupted()),
            plan = make_plan(&pipeline, &journal, &claim) => plan?,
        };
        let hold = plan.hold.clone();
        let checked = check(&pipeline, &plan, &controls).await;
        let journal = match checked {
            Ok(()) => {
                announce::announce(&plan);
                journal.begin(&pipeline, &plan).await
            }
            Err(error) => Err(error),
        };
        // What was refused is reported table by table, too.
        self.tables = plan.into_tables();
        let journal = match journal {
            Ok(journal) => journal,
            Err(error) => {
                hold.end(End::Untouched).await;
                return Err(error);
            }
        };
        if let Some(metrics) = &mut metrics {
            metrics.watch(&self.tables, Arc::clone(&pipeline));
        }
        let progress = Progress::start(&self.tables, Style::choose(log))?;
        let outcome = flow::run(pipeline, self.tables.clone(), journal, hold, controls).await;
        progress.finish().await;
        match outcome.error {
            // Which table happened to notice first says nothing.
            Some(error) if error.kind() == Kind::Interrupted => Err(Error::interrupted()),
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// A new plan, or that of the run to go on with.
async fn make_plan(pipeline: &Pipeline, journal: &JournalFile, claim: &Claim) -> Result<Plan> {
    if journal.earlier().is_none() {
        pipeline.sink.check().await?;
        if let Some(stage) = &pipeline.stage {
            stage.check().await?;
        }
    }
    pipeline.source.ready().await?;
    match journal.earlier() {
        Some(earlier) => Plan::resume(pipeline, earlier, Some(claim)).await,
        None => Plan::claim(pipeline, claim).await,
    }
}

/// What would make the run fail is said before it changes anything.
async fn check(pipeline: &Arc<Pipeline>, plan: &Plan, controls: &Controls) -> Result<()> {
    tokio::select! {
        biased;
        () = controls.stop.cancelled() => Err(Error::interrupted()),
        checked = flow::check_ids(pipeline, plan, controls) => checked,
    }
}
