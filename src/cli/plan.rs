//! `pipeline plan`: the dry run.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::args::PlanArgs;
use crate::cli::layout::{Column, Columns, Signs, clean};
use crate::cli::{remains, runtime, terminal};
use crate::error::Result;
use crate::flow::{
    Controls, EarlierRun, Pipeline, Plan, ReadSpeed, TablePlan, check_ids, read_speed,
};
use crate::sink::{Decision, TargetPlan};
use crate::source::SourceTable;
use crate::words;
use crate::{Purpose, assemble};

/// How long the source is read to see how fast it is.
const TRIAL: Duration = Duration::from_secs(1);

/// Asks source and target what a run would do, and prints it. Changes nothing. What would make the
/// run fail is the error, after the plan is printed.
pub(super) fn plan(args: &PlanArgs) -> Result<u8> {
    runtime::block_on(async {
        let config = args.config.load().await?;
        let pipeline = Arc::new(assemble(&config, Purpose::Plan)?);
        let told = tell(&pipeline).await;
        pipeline.close().await;
        told
    })?;
    Ok(0)
}

async fn tell(pipeline: &Arc<Pipeline>) -> Result<()> {
    let plan = Plan::make(pipeline).await?;
    terminal::print(&text(pipeline, &plan, Signs::choose()))?;
    let standing = EarlierRun::find(&pipeline.settings.state_dir, &pipeline.identity)?;
    if let Some(run) = standing.map(|standing| standing.run).filter(EarlierRun::is_resumable) {
        terminal::print(&format!(
            "This is what a new run would do; but the run of {} is not done, and `pipeline run` goes on with it\n",
            words::moment(&run.started)
        ))?;
        return Ok(());
    }
    check_ids(pipeline, &plan, &Controls::default()).await?;
    let speed = read_speed(pipeline, &plan, TRIAL).await?;
    terminal::print(&format!("{}{}", left_out(&plan), estimate(&plan, &speed)))
}

fn text(pipeline: &Pipeline, plan: &Plan, signs: Signs) -> String {
    let target = |table: &TablePlan| Some(table.target.plan.clone());
    let mut text = format!(
        "Source: {}\n\n{}\nTarget: {}\n\n{}",
        pipeline.source.kind(),
        sources(plan, signs),
        pipeline.sink.kind(),
        targets(plan, target),
    );
    if let Some(stage) = &pipeline.stage {
        // What does not move is not staged either.
        let target = |table: &TablePlan| table.target.stage.clone().filter(|_| table.moves());
        push(&mut text, format_args!("\nStage: {}\n\n{}", stage.kind(), targets(plan, target)));
    }
    let transforms: Vec<_> = pipeline.transforms.iter().map(|transform| transform.kind()).collect();
    let mut paragraph = |line: String| push(&mut text, format_args!("\n{line}\n"));
    if !transforms.is_empty() {
        paragraph(format!("Transforms: {}", transforms.join(", ")));
    }
    let left = remains::sentences(&plan.remains);
    for (title, lines) in
        [("Warnings", warnings(plan)), ("Left by other runs", left), ("Notes", notes(plan))]
    {
        if !lines.is_empty() {
            paragraph(format!("{title}:\n  {}", lines.join("\n  ")));
        }
    }
    paragraph(total(plan));
    text
}

fn sources(plan: &Plan, signs: Signs) -> String {
    let mut columns = Columns::new(&[
        Column::Left("TABLE"),
        Column::Right("ROWS"),
        Column::Right("SIZE"),
        Column::Right("SPLITS"),
        Column::Left("VECTORS"),
        Column::Left("METRIC"),
    ]);
    for TablePlan { source, .. } in &plan.tables {
        let vectors = source.schema.column();
        columns.row([
            source.name.clone(),
            words::count(source.rows),
            words::bytes(source.bytes as f64),
            words::count(source.splits.len() as u64),
            format!("{} {} {}", vectors.vector_type, signs.times, vectors.dim),
            source.metric.map_or("not stated", |metric| metric.name()).to_owned(),
        ]);
    }
    columns.render("  ")
}

fn targets(plan: &Plan, target: impl Fn(&TablePlan) -> Option<TargetPlan>) -> String {
    let mut columns = Columns::new(&[
        Column::Left("TABLE"),
        Column::Left("TARGET"),
        Column::Left("DECISION"),
        Column::Right("ROWS NOW"),
    ]);
    for table in &plan.tables {
        let Some(target) = target(table) else {
            columns.row([
                table.source.name.clone(),
                "nothing".into(),
                "skip".into(),
                String::new(),
            ]);
            continue;
        };
        let rows = match (target.decision, target.rows_before) {
            (Decision::Create, _) => "none yet".to_owned(),
            (_, Some(rows)) => words::count(rows),
            (_, None) => "unknown".to_owned(),
        };
        columns.row([table.source.name.clone(), target.target, word(target.decision).into(), rows]);
    }
    columns.render("  ")
}

fn warnings(plan: &Plan) -> Vec<String> {
    let sources = plan.tables.iter().map(|table| &*table.source);
    let of = |source: &SourceTable| {
        let name = source.name.clone();
        source.warnings.clone().into_iter().map(move |text| clean(&format!("{name}: {text}")))
    };
    sources.flat_map(of).collect()
}

fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    let mut add = |name: &str, all: &[String]| {
        notes.extend(all.iter().map(|note| clean(&format!("{name}: {note}"))));
    };
    for (n, TablePlan { source, target, .. }) in plan.tables.iter().enumerate() {
        add(&source.name, &source.notes);
        if target.tables.first() == Some(&n) {
            add(&target.write.name, &target.plan.notes);
            add(&target.write.name, target.stage.as_ref().map_or(&[], |stage| &stage.notes));
        }
    }
    notes
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Create => "create",
        Decision::Append => "append",
        Decision::Skip => "skip",
        Decision::Overwrite => "overwrite",
    }
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = text.write_fmt(part);
}

fn total(plan: &Plan) -> String {
    let left = plan.tables.iter().filter(|table| !table.moves()).count() as u64;
    let moving = plan.tables.len() as u64 - left;
    let mut text = format!(
        "Total: {}, {}, {}",
        words::plural(moving, "table"),
        words::plural(plan.rows(), "row"),
        words::bytes(plan.bytes() as f64)
    );
    if left > 0 {
        text.push_str(&format!("; {} left alone", words::plural(left, "table")));
    }
    text
}

/// What `dedupe` would leave out, which is known once the ids have been read.
fn left_out(plan: &Plan) -> String {
    let mut text = String::new();
    for target in &plan.targets {
        if let Some(left_out) = target.left_out.get() {
            let rows = words::plural(left_out.rows(), "row");
            let name = clean(&target.write.name);
            push(&mut text, format_args!("Left out: {rows} of {name} whose id comes again\n"));
        }
    }
    text
}

/// Only reading can be tried without changing anything, so only reading is estimated.
fn estimate(plan: &Plan, speed: &ReadSpeed) -> String {
    if plan.rows() == 0 {
        return "Time: nothing to move\n".to_owned();
    }
    match speed.time_for_all() {
        Some(time) => format!(
            "Time: about {} to read at {}/s, as tried for {} just now;\n      \
             how fast the target takes rows shows only when it does\n",
            words::time(time),
            words::bytes(speed.bytes_per_s()),
            words::time(speed.time),
        ),
        None => format!(
            "Time: no estimate: not one batch could be read within {}\n",
            words::time(speed.time)
        ),
    }
}
