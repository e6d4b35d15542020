//! The plan as the journal keeps it, and how it differs from another one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::identity::{self, Identity};
use super::progress::TargetProgress;
use super::store::damaged;
use crate::error::{Error, Result};
use crate::flow::plan::Plan;
use crate::sink::TargetPlan;
use crate::source::{Fingerprint, Source, SourceTable};
use crate::table::{Metric, Split, TableSchema};
use crate::words::{count, moment};

/// Differences that an error names.
const SHOWN: usize = 5;

/// A plan, and all that tells whether it is still right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedPlan {
    /// The version of vecpipe that made it.
    pub version: String,
    /// The run's id, by which what it made at its targets is known.
    #[serde(default)]
    pub run: String,
    /// True when a target could not be marked.
    #[serde(default)]
    pub unmarked: bool,
    /// [`Identity::settings`].
    pub settings: Value,
    /// One entry a table of the source, in source order.
    pub tables: Vec<SavedTable>,
    /// One entry a target, in the order of their first tables.
    pub targets: Vec<SavedTarget>,
}

/// A table of the source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedTable {
    /// Its name.
    pub name: String,
    /// Its columns, in words.
    pub columns: Vec<String>,
    /// The metric that the source states.
    pub metric: Option<Metric>,
    /// Rows in all splits.
    pub rows: u64,
    /// What it is recognised by.
    pub fingerprint: Fingerprint,
    /// Its splits: these are read, whatever splits would be made now.
    pub splits: Vec<Split>,
}

/// What happens to a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedTarget {
    /// The numbers of its tables.
    pub tables: Vec<usize>,
    /// What the sink decided.
    pub plan: TargetPlan,
    /// What the stage decided.
    pub stage: Option<TargetPlan>,
}

impl SavedTable {
    /// A table as it is now.
    ///
    /// # Errors
    /// When the source can't be looked at.
    pub async fn of(source: &dyn Source, table: &SourceTable) -> Result<SavedTable> {
        Ok(SavedTable {
            name: table.name.clone(),
            columns: columns(&table.schema),
            metric: table.metric,
            rows: table.rows,
            fingerprint: source.fingerprint(table).await?,
            splits: table.splits.clone(),
        })
    }

    fn differences(&self, now: &SavedTable, all: &mut Vec<String>) {
        let mut add = |what: String| all.push(format!("table {}: {what}", self.name));
        let files = self.fingerprint.differences(&now.fingerprint);
        let changed = !files.is_empty();
        files.into_iter().for_each(&mut add);
        // Where files changed, that says it all.
        if self.rows != now.rows && !changed {
            add(format!("it had {} rows, has {}", count(self.rows), count(now.rows)));
        }
        if self.columns != now.columns && !changed {
            add(format!("it had {}, has {}", self.columns.join(", "), now.columns.join(", ")));
        }
        if self.metric != now.metric && !changed {
            add("it states another metric".to_owned());
        }
    }
}

impl SavedPlan {
    /// A plan that was just made.
    ///
    /// # Errors
    /// When the source can't be looked at.
    pub async fn of(source: &dyn Source, identity: &Identity, plan: &Plan) -> Result<SavedPlan> {
        let mut tables = Vec::new();
        for table in &plan.tables {
            tables.push(SavedTable::of(source, &table.source).await?);
        }
        let targets = plan.targets.iter().map(|target| SavedTarget {
            tables: target.tables.clone(),
            plan: target.plan.clone(),
            stage: target.stage.clone(),
        });
        Ok(SavedPlan {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            run: String::new(),
            unmarked: plan.hold.is_unmarked(),
            settings: identity.settings.clone(),
            tables,
            targets: targets.collect(),
        })
    }

    /// Splits of each target.
    pub fn splits(&self) -> Vec<usize> {
        let splits = |table: &usize| self.tables.get(*table).map_or(0, |t| t.splits.len());
        self.targets.iter().map(|target| target.tables.iter().map(splits).sum()).collect()
    }

    /// Checks that what was read makes sense.
    ///
    /// # Errors
    /// When its targets are not of its tables, or the splits of a table not all of its rows.
    pub(super) fn check(&self) -> Result<()> {
        let mut targets = vec![0; self.tables.len()];
        for table in self.targets.iter().flat_map(|target| &target.tables) {
            *targets.get_mut(*table).ok_or_else(|| unplanned("a table"))? += 1;
        }
        let is_empty = |target: &SavedTarget| target.tables.is_empty();
        if targets.iter().any(|n| *n != 1) || self.targets.iter().any(is_empty) {
            return Err(unplanned("a target"));
        }
        for table in &self.tables {
            let mut rows = 0u64;
            for (n, split) in table.splits.iter().enumerate() {
                let is_next = split.first_row == rows && u64::from(split.index) == n as u64;
                let after = rows.checked_add(split.rows).filter(|_| is_next);
                rows = after.ok_or_else(|| unplanned("a split"))?;
            }
            if rows != table.rows {
                return Err(unplanned("a row"));
            }
        }
        Ok(())
    }

    /// Checks that no split is said to be further than it goes.
    ///
    /// # Errors
    /// When one is.
    pub(super) fn check_progress(&self, targets: &[TargetProgress]) -> Result<()> {
        for (target, progress) in self.targets.iter().zip(targets) {
            let tables = target.tables.iter().filter_map(|table| self.tables.get(*table));
            let splits = tables.flat_map(|table| &table.splits);
            for (split, done) in splits.zip(&progress.splits) {
                if done.sent > split.rows || !done.totals.is_plausible() {
                    return Err(unplanned("a row"));
                }
            }
        }
        Ok(())
    }

    /// How the program and the settings differ from those of now.
    pub fn settings_differ(&self, identity: &Identity) -> Vec<String> {
        let mut all = Vec::new();
        let version = env!("CARGO_PKG_VERSION");
        if self.version != version {
            all.push(format!("vecpipe was {}, is {version}", self.version));
        }
        let mut was = self.settings.clone();
        // A run that a bad row stopped may go on and put it aside.
        let on_bad_row = "/run/on_bad_row";
        if let (Some(was), Some(is)) =
            (was.pointer_mut(on_bad_row), identity.settings.pointer(on_bad_row))
            && was == "fail"
        {
            was.clone_from(is);
        }
        all.extend(identity::differences(&was, &identity.settings));
        all
    }

    /// How the source differs from that of now.
    pub fn source_differs(&self, now: &[SavedTable]) -> Vec<String> {
        let by_name = |tables: &'_ [SavedTable]| -> BTreeMap<String, SavedTable> {
            tables.iter().map(|table| (table.name.clone(), table.clone())).collect()
        };
        let (was, is) = (by_name(&self.tables), by_name(now));
        let mut all = Vec::new();
        for (name, table) in &was {
            match is.get(name) {
                Some(now) => table.differences(now, &mut all),
                None => all.push(format!("table {name} is gone")),
            }
        }
        let new = is.keys().filter(|name| !was.contains_key(*name));
        all.extend(new.map(|name| format!("table {name} is new")));
        let names = |tables: &[SavedTable]| tables.iter().map(|t| t.name.clone()).collect();
        let (was, is): (Vec<String>, Vec<String>) = (names(&self.tables), names(now));
        if all.is_empty() && was != is {
            all.push("its tables come in another order".to_owned());
        }
        all
    }
}

/// The first differences, in one line.
pub fn listed(differences: &[String]) -> String {
    let mut text = differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if differences.len() > SHOWN {
        text.push_str(&format!("; {} more", differences.len() - SHOWN));
    }
    text
}

/// The error of a run that can't be gone on with.
pub fn differs(started: &str, differences: &[String]) -> Error {
    let text = listed(differences);
    Error::config(format!("The run of {} is not done, and this one differs from it: {text}", moment(started)))
        .help("to go on with it, run it as it was then; --restart begins anew and forgets how far it came (the rows that it wrote stay in the target)")
}

fn unplanned(what: &str) -> Error {
    damaged(format!("it tells of {what} that was not planned"))
}

/// The columns of a schema, with their roles.
fn columns(schema: &TableSchema) -> Vec<String> {
    let fields = schema.arrow().fields().iter();
    let words = fields.map(|field| {
        let facts: BTreeMap<_, _> = field.metadata().iter().collect();
        let facts: String = facts.into_values().map(|fact| format!(" {fact}")).collect();
        let null = if field.is_nullable() { " perhaps null" } else { "" };
        format!("{} {}{facts}{null}", field.name(), field.data_type())
    });
    words.collect()
}
