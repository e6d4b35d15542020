//! `pipeline verify`: compares source and target.

use std::fmt::Write;
use std::sync::Arc;

use crate::cli::args::VerifyArgs;
use crate::cli::layout::{Column, Columns, clean};
use crate::cli::{runtime, signals, terminal};
use crate::error::{Error, Kind, Result};
use crate::flow::{self, Comparison, Controls, Plan, Verdict};
use crate::report::{ReportFile, Started, VerifyReport};
use crate::words;
use crate::{Purpose, assemble};

/// Compares every target with what went there, and prints what it came to. That they differ is the
/// error, after all is printed.
pub(super) fn verify(args: &VerifyArgs) -> Result<u8> {
    let started = Started::now();
    let file = args.report.as_deref().map(ReportFile::at).transpose()?;
    let compared = runtime::block_on(async {
        let controls = Controls::default();
        signals::watch(&controls)?;
        let config = args.load().await?;
        let pipeline = Arc::new(assemble(&config, Purpose::Plan)?);
        let compared = tokio::select! {
            biased;
            () = controls.stop.cancelled() => Err(Error::interrupted()),
            compared = flow::verify(&pipeline, &controls) => compared,
        };
        pipeline.close().await;
        compared
    });
    let (text, error) = match &compared {
        Ok((plan, all)) => (text(plan, all), Comparison::check(named(plan, all)).err()),
        Err(_) => (String::new(), None),
    };
    let failed = compared.as_ref().err().or(error.as_ref());
    if let Some(file) = file {
        let all = compared.as_ref().ok().map(|(plan, all)| (plan, all.as_slice()));
        let config = args.config.config.display().to_string();
        file.write(&VerifyReport::new(started, config, all, failed).to_json()?)?;
    }
    terminal::print(&text)?;
    match (compared, error) {
        (Err(error), _) if error.kind() == Kind::Interrupted => Err(Error::interrupted()),
        (Err(error), _) | (Ok(_), Some(error)) => Err(error),
        (Ok(_), None) => Ok(0),
    }
}

fn named<'a>(
    plan: &'a Plan,
    all: &'a [Comparison],
) -> impl Iterator<Item = (&'a str, &'a Comparison)> {
    plan.targets.iter().map(|target| target.plan.target.as_str()).zip(all)
}

fn text(plan: &Plan, all: &[Comparison]) -> String {
    let mut columns = Columns::new(&[
        Column::Left("SOURCE"),
        Column::Left("TARGET"),
        Column::Right("IN SOURCE"),
        Column::Right("IN TARGET"),
        Column::Left("CHECKSUM OF SOURCE"),
        Column::Left("CHECKSUM OF TARGET"),
        Column::Left("VERDICT"),
    ]);
    let count = |rows: Option<u64>| rows.map_or_else(|| "-".to_owned(), words::count);
    let sum = |sum: Option<_>| {
        sum.map_or_else(|| "-".to_owned(), |sum: crate::table::Checksum| sum.to_string())
    };
    for (target, comparison) in plan.targets.iter().zip(all) {
        columns.row([
            target.write.name.clone(),
            target.plan.target.clone(),
            count(comparison.rows_in_source),
            count(comparison.rows_in_target),
            sum(comparison.checksum_of_source),
            sum(comparison.checksum_of_target),
            verdict(comparison.verdict).to_owned(),
        ]);
    }
    let mut text = columns.render("");
    for (target, comparison) in named(plan, all) {
        text.push_str(&differences(target, comparison));
    }
    text
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Same => "same",
        Verdict::Differ => "differ",
        Verdict::NoTarget => "no target",
        Verdict::NothingToCompare => "nothing to compare",
    }
}

/// What is to be said of a comparison beyond its verdict: ids that differ, and what was not
/// compared.
pub(super) fn differences(target: &str, comparison: &Comparison) -> String {
    let (mut text, target) = (String::new(), clean(target));
    // Writing to a string can't fail.
    let differences = &comparison.differences;
    if !differences.is_empty() {
        let _ = writeln!(text, "{target}: {differences}");
        for (id, what) in differences.sample() {
            let _ = writeln!(text, "  id {}: {}", clean(&id.to_string()), clean(&what.to_string()));
        }
        if differences.at_least || differences.total() > differences.sample().len() as u64 {
            text.push_str("  and more\n");
        }
    }
    if let Some(rows) = comparison.other_rows.filter(|rows| *rows > 0) {
        let rows = words::plural(rows, "row");
        let _ = writeln!(text, "{target}: holds {rows} besides, whose ids are not the source's");
    }
    for note in &comparison.notes {
        let _ = writeln!(text, "{target}: {}", clean(note));
    }
    text
}
