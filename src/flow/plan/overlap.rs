//! A target that is also the source: refused, because its rows could be gone before they are read.

use crate::error::{Error, Result};
use crate::flow::{Pipeline, Plan};
use crate::location::{DataLocation, LocationIndex};
use crate::sink::{Decision, TargetPlan};

/// Refuses a plan that writes to what it reads, or that writes the same files twice, by sink and stage.
///
/// # Errors
/// [`Kind::Config`](crate::error::Kind::Config) when it does; and when source or target cannot be
/// asked what they are.
pub(super) async fn check(pipeline: &Pipeline, plan: &Plan) -> Result<()> {
    let written = Written::find(pipeline, plan).await?;
    written.check_stage()?;
    if written.by_sink.is_empty() && written.by_stage.is_empty() {
        return Ok(());
    }
    for table in plan.tables.iter().filter(|table| table.moves()) {
        for location in pipeline.source.read_locations(&table.source).await? {
            written.check_read(plan, &table.source.name, &location)?;
        }
    }
    Ok(())
}

/// What the run would write, each with the number of its target.
#[derive(Default)]
struct Written {
    by_sink: LocationIndex<usize>,
    by_stage: LocationIndex<usize>,
    /// The same as `by_stage`, in order.
    staged: Vec<DataLocation>,
}

impl Written {
    async fn find(pipeline: &Pipeline, plan: &Plan) -> Result<Written> {
        let mut written = Written::default();
        let targets = plan.targets.iter().enumerate().filter(|(_, target)| target.moves());
        for (number, target) in targets {
            for location in pipeline.sink.write_locations(&target.write, &target.plan).await? {
                written.by_sink.insert(location, number);
            }
            let (Some(stage), Some(plan)) = (&pipeline.stage, &target.stage) else { continue };
            if plan.decision == Decision::Skip {
                continue;
            }
            for location in stage.write_locations(&target.staged, plan).await? {
                written.staged.push(location.clone());
                written.by_stage.insert(location, number);
            }
        }
        Ok(written)
    }

    fn check_read(&self, plan: &Plan, table: &str, read: &DataLocation) -> Result<()> {
        let of = |number: &usize| &plan.targets[*number];
        if let Some((found, number)) = self.by_sink.find(read) {
            return Err(same(("run", &of(number).plan, found), (table, read)));
        }
        if let Some((found, number)) = self.by_stage.find(read)
            && let Some(stage) = &of(number).stage
        {
            return Err(same(("stage", stage, found), (table, read)));
        }
        Ok(())
    }

    fn check_stage(&self) -> Result<()> {
        match self.staged.iter().find(|location| self.by_sink.find(location).is_some()) {
            Some(location) => {
                Err(Error::config(format!("Sink and stage are the same {}", location.noun()))
                    .at(location)
                    .help("give the stage another `dir`"))
            }
            None => Ok(()),
        }
    }
}

/// The error of a target at `found` that `table` is read from.
fn same(
    (who, target, found): (&str, &TargetPlan, &DataLocation),
    (table, read): (&str, &DataLocation),
) -> Error {
    let noun = found.noun();
    let (verb, reason) = match target.decision {
        Decision::Overwrite => {
            ("overwrite", format!("rebuilding a {noun} in place is not supported yet: "))
        }
        Decision::Append => ("append to", String::new()),
        Decision::Create | Decision::Skip => ("write to", String::new()),
    };
    let (other, settings) = match read {
        DataLocation::Collection(_) => {
            ("another collection, partition, database or server", "addresses")
        }
        DataLocation::Path(_) | DataLocation::Object(_) => ("another folder", "paths"),
    };
    let written = match found {
        DataLocation::Collection(_) => target.target.clone(),
        // It may be another file than the target, which the sink writes beside it.
        DataLocation::Path(_) | DataLocation::Object(_) => found.to_string(),
    };
    Error::config(format!(
        "Source and target are the same {noun}: the {who} would {verb} {written}, which table {table} is read from"
    ))
    .at(read)
    .help(format!("{reason}write to {other}, and check the {settings} of source and target"))
}
