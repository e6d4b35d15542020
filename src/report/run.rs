//! The report of a run, as `--report` writes it. Users script against these names: fields are
//! added, never renamed. What is not known is null.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Error, Kind};
use crate::flow::{
    Comparison, Pipeline, RejectedRow, TableRun, TableState, Totals, Verdict, Verify,
};
use crate::report::{cpu_time, peak_rss_bytes};
use crate::sink::Decision;
use crate::words;

/// The exit code of a run that is done but had to put rows aside.
const ROWS_REJECTED: u8 = 4;

/// When a run began.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    wall: OffsetDateTime,
    clock: Instant,
}

impl Started {
    /// Now.
    pub fn now() -> Self {
        Started { wall: OffsetDateTime::now_utc(), clock: Instant::now() }
    }

    /// The moment (RFC 3339, UTC).
    pub(super) fn at(self) -> String {
        rfc3339(self.wall)
    }

    /// Seconds since then.
    pub(super) fn seconds(self) -> f64 {
        seconds(self.clock.elapsed())
    }
}

/// How a run went.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// Version of vecpipe that ran.
    pub version: &'static str,
    /// How it ended.
    pub status: RunStatus,
    /// The exit code of the program.
    pub exit_code: u8,
    /// Why it ended early, or failed.
    pub error: Option<ErrorReport>,
    /// The configuration file's name.
    pub config: String,
    /// Kind of source, where the run came as far as having one.
    pub source_kind: Option<&'static str>,
    /// Kind of sink, where the run came as far as having one.
    pub sink_kind: Option<&'static str>,
    /// When it began (RFC 3339, UTC).
    pub started_at: String,
    /// True when it went on with an interrupted run. The tables' rows are those of both.
    pub resumed: bool,
    /// Seconds from start to end, planning included.
    pub duration_s: f64,
    /// Bytes of record batches that came from the source.
    pub bytes_read: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// The most memory, in bytes, that the process had resident.
    pub peak_rss_bytes: Option<u64>,
    /// Seconds of processor time, of all threads together.
    pub cpu_s: Option<f64>,
    /// Splits read at once, and writes in flight at once.
    pub parallelism: Option<usize>,
    /// Budget for rows in flight, in bytes.
    pub memory_bytes: Option<u64>,
    /// Where the time of all tables' readers and workers went.
    pub times_s: Times,
    /// What the next run would do, after one that ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// One entry a table, in source order; empty when the run ended before there was a plan.
    pub tables: Vec<TableReport>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Everything that was planned is done.
    Succeeded,
    /// An error ended it.
    Failed,
    /// The user, or the system, ended it.
    Interrupted,
}

/// An error, for programs.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorReport {
    /// Who has to act: `config`, `connect`, `source`, `target`, `differ`, `interrupted`,
    /// `internal`.
    pub kind: &'static str,
    /// The whole message, as it was printed.
    pub message: String,
}

/// Seconds that reader threads and workers spent, added up over all of them.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[allow(missing_docs, reason = "the fields are those of `flow::Times`")]
pub struct Times {
    pub reading: f64,
    pub transforming: f64,
    pub waiting_for_target: f64,
    pub waiting_for_source: f64,
}

/// How one table went.
#[derive(Debug, Clone, Serialize)]
pub struct TableReport {
    /// The source table's name.
    pub source: String,
    /// The target's name.
    pub target: String,
    /// How far it came.
    pub status: TableStatus,
    /// What became of the target: `created`, `appended`, `skipped`, `overwritten`; null when it
    /// was not touched before the run ended.
    pub decision: Option<&'static str>,
    /// Type of the vectors.
    pub vector_type: &'static str,
    /// Dimensions of the vectors.
    pub dim: usize,
    /// The metric that the source states, if it does.
    pub metric: Option<&'static str>,
    /// Rows that the source announced.
    pub rows_planned: u64,
    /// Rows that came from the source.
    pub rows_read: u64,
    /// Rows left out because their id occurs again in the source.
    pub rows_deduplicated: u64,
    /// Rows that were given a new id.
    pub rows_remapped: u64,
    /// Rows put aside because they were bad.
    pub rows_rejected: u64,
    /// The folder of their Parquet files, where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejects: Option<String>,
    /// The first of those that this run put aside, in source order, and what is wrong with them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected_sample: Vec<RejectedRow>,
    /// Rows left out because the target held their id.
    pub rows_skipped: u64,
    /// Rows that the target acknowledged.
    pub rows_written: u64,
    /// Of those, rows that took the place of one the target held.
    pub rows_replaced: u64,
    /// Of the rows written, those that interrupted runs of the same plan wrote.
    pub rows_resumed: u64,
    /// Rows that an interrupted run had sent without an answer and that were sent once more: they may have
    /// been there, or have replaced others, so that the target's count may rightly be higher by as many.
    #[serde(skip_serializing_if = "is_zero")]
    pub rows_uncertain: u64,
    /// Bytes of record batches that came from the source.
    pub bytes_read: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Rows that the target held before; of a target that several tables were merged into, each
    /// of them reports this and the next number for the whole.
    pub target_rows_before: Option<u64>,
    /// Rows that the target holds now, by its own count, once the table is complete.
    pub target_rows_after: Option<u64>,
    /// Checksum over the rows of the source as they left the transforms, where one was made; of
    /// tables that were merged, over all of them.
    pub checksum: Option<String>,
    /// What was compared between source and target, and agreed: `none`, `count` or `content`.
    pub verified: Verify,
    /// How the content compares, where that was looked at; of tables that were merged, of all of
    /// them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// What the source and the target had to say at plan time.
    pub notes: Vec<String>,
    /// What the user may not miss: why rows did not come although the source counts them, or that the source
    /// changed meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Where the time went.
    pub times_s: Times,
}

/// How far a table came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TableStatus {
    /// Its target was not touched.
    NotStarted,
    /// The run ended while it was being moved.
    Incomplete,
    /// It is complete.
    Complete,
    /// Its target was left alone, as planned.
    LeftAlone,
}

/// What the next run would do after one that ended early; nothing where it would start anew anyway.
fn advice(tables: &[Arc<TableRun>], error: &Error) -> Option<String> {
    if !tables.iter().any(|table| table.target.is_prepared()) {
        return None;
    }
    if error.kind() == Kind::Differ {
        return Some(
            "Running the same command again compares once more; --restart moves all rows again"
                .to_owned(),
        );
    }
    let (mut splits, mut finished, mut rows) = (0, 0, 0);
    for (n, table) in tables.iter().enumerate().filter(|(_, table)| table.plan.moves()) {
        if table.target.plan.tables.first() == Some(&n) {
            splits += table.target.plan.splits.len() as u64;
            finished += table.target.splits_finished();
        }
        rows += table.meter.totals().rows_done();
    }
    Some(format!(
        "{} of {} done, {}; run the same command again to go on",
        words::count(finished),
        words::plural(splits, "split"),
        words::plural(rows, "row"),
    ))
}

impl RunReport {
    /// Sums a run up: `pipeline` and `tables` as far as it came, `error` if one ended it.
    pub fn new(
        started: Started,
        config: String,
        pipeline: Option<&Pipeline>,
        tables: &[Arc<TableRun>],
        error: Option<&Error>,
    ) -> Self {
        let verify = pipeline.map_or(Verify::None, |pipeline| pipeline.settings.verify);
        let totals: Totals = tables.iter().map(|table| table.meter.totals()).sum();
        let earlier: Totals = tables.iter().map(|table| table.earlier).sum();
        let (status, exit_code) = match error {
            Some(error) if error.kind() == Kind::Interrupted => {
                (RunStatus::Interrupted, error.exit_code())
            }
            Some(error) => (RunStatus::Failed, error.exit_code()),
            None if totals.rows_rejected > 0 => (RunStatus::Succeeded, ROWS_REJECTED),
            None => (RunStatus::Succeeded, 0),
        };
        RunReport {
            version: env!("CARGO_PKG_VERSION"),
            status,
            exit_code,
            error: error.map(ErrorReport::of),
            config,
            source_kind: pipeline.map(|pipeline| pipeline.source.kind()),
            sink_kind: pipeline.map(|pipeline| pipeline.sink.kind()),
            started_at: started.at(),
            resumed: tables.iter().any(|table| table.target.plan.resumed),
            duration_s: started.seconds(),
            bytes_read: totals.bytes_read - earlier.bytes_read,
            retries: totals.retries - earlier.retries,
            peak_rss_bytes: peak_rss_bytes(),
            cpu_s: cpu_time().map(seconds),
            parallelism: pipeline.map(|pipeline| pipeline.settings.parallelism),
            memory_bytes: pipeline.map(|pipeline| pipeline.settings.memory),
            times_s: totals.times.into(),
            advice: error.and_then(|error| advice(tables, error)),
            tables: tables.iter().map(|table| TableReport::new(table, verify)).collect(),
        }
    }

    /// The report as JSON, for people's eyes too.
    ///
    /// # Errors
    /// [`Kind::Internal`] if a value can't be written as JSON.
    pub fn to_json(&self) -> crate::Result<String> {
        to_json(self)
    }
}

pub(super) fn to_json(report: &impl Serialize) -> crate::Result<String> {
    serde_json::to_string_pretty(report)
        .map(|json| json + "\n")
        .map_err(|error| Error::internal("The report can't be written as JSON").because(error))
}

impl ErrorReport {
    pub(super) fn of(error: &Error) -> ErrorReport {
        ErrorReport { kind: kind_name(error.kind()), message: error.to_string() }
    }
}

impl TableReport {
    fn new(run: &TableRun, verify: Verify) -> Self {
        let plan = &run.plan;
        let totals = run.meter.totals();
        let status = match run.state() {
            TableState::LeftAlone => TableStatus::LeftAlone,
            TableState::Waiting => TableStatus::NotStarted,
            TableState::Moving | TableState::Completing => TableStatus::Incomplete,
            TableState::Done => TableStatus::Complete,
        };
        let comparison = run.target.comparison.get();
        let rejects = run.target.rejects().filter(|_| totals.rows_rejected > 0);
        let target = &plan.target.plan;
        // Until it is published, the target holds what it held before.
        let waits = target.publish.is_some() && status != TableStatus::Complete;
        let completion = run.target.completion.get().filter(|_| !waits);
        let left_alone = target.rows_before.filter(|_| status == TableStatus::LeftAlone);
        let of_source = plan.source.warnings.iter().chain(&plan.source.notes);
        let notes = of_source.chain(&target.notes).cloned().collect();
        TableReport {
            source: plan.source.name.clone(),
            target: target.target.clone(),
            status,
            decision: (status != TableStatus::NotStarted).then(|| past(target.decision)),
            vector_type: plan.target.write.schema.column().vector_type.name(),
            dim: plan.target.write.schema.column().dim,
            metric: plan.source.metric.map(|metric| metric.name()),
            rows_planned: plan.source.rows,
            rows_read: totals.rows_read,
            rows_deduplicated: totals.rows_deduplicated,
            rows_remapped: totals.rows_remapped,
            rows_rejected: totals.rows_rejected,
            rejects: rejects.map(|folder| folder.display().to_string()),
            rejected_sample: run.rejected(),
            rows_skipped: totals.rows_skipped,
            rows_written: totals.rows_written,
            rows_replaced: totals.rows_replaced,
            rows_resumed: run.earlier.rows_written,
            rows_uncertain: totals.rows_uncertain,
            bytes_read: totals.bytes_read,
            retries: totals.retries,
            target_rows_before: match target.decision {
                // The sink counts from the empty table that it fills.
                Decision::Overwrite => target.rows_before,
                _ => completion.map(|c| c.rows_before).or(target.rows_before),
            },
            target_rows_after: completion.map(|c| c.rows_after).or(left_alone),
            checksum: comparison.and_then(|c| c.checksum_of_source).map(|sum| sum.to_string()),
            verified: match (status, verify, comparison.map(|comparison| comparison.verdict)) {
                (TableStatus::Complete, Verify::Content, Some(Verdict::Same)) => Verify::Content,
                (TableStatus::Complete, Verify::Content, _) => Verify::Count,
                (TableStatus::Complete, verify, _) => verify,
                _ => Verify::None,
            },
            comparison: comparison.cloned(),
            notes,
            warnings: plan.source.warnings.iter().cloned().chain(run.warnings()).collect(),
            times_s: totals.times.into(),
        }
    }
}

impl From<crate::flow::Times> for Times {
    fn from(times: crate::flow::Times) -> Self {
        Times {
            reading: seconds(times.reading),
            transforming: seconds(times.transforming),
            waiting_for_target: seconds(times.waiting_for_target),
            waiting_for_source: seconds(times.waiting_for_source),
        }
    }
}

fn is_zero(rows: &u64) -> bool {
    *rows == 0
}

fn past(decision: Decision) -> &'static str {
    match decision {
        Decision::Create => "created",
        Decision::Append => "appended",
        Decision::Skip => "skipped",
        Decision::Overwrite => "overwritten",
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Config => "config",
        Kind::Connect => "connect",
        Kind::Source => "source",
        Kind::Target => "target",
        Kind::Differ => "differ",
        Kind::Held => "held",
        Kind::Interrupted => "interrupted",
        Kind::Internal => "internal",
    }
}

/// Milliseconds are enough, and a report is easier to read without the rest.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Whole seconds: the fraction would only make the time harder to read.
fn rfc3339(at: OffsetDateTime) -> String {
    // Years after 9999 can't be written in this form; no clock shows them.
    at.replace_nanosecond(0).ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}
