//! Several tables of the source that go to one target.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Field;

use super::{Alone, TargetTable};
use crate::error::{Error, Result};
use crate::sink::TableToWrite;
use crate::table::{EXTENSION_NAME, Part, ROLE, VECTOR_TYPE};

/// The tables of each target, by their numbers; of targets that are left alone only where `all` are
/// wanted.
pub(super) fn groups(tables: &[Alone], all: bool) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut of_target: BTreeMap<&str, usize> = BTreeMap::new();
    for (n, table) in tables.iter().enumerate() {
        let merges = all || table.moves();
        let known = merges.then(|| of_target.get(table.target.target.as_str())).flatten();
        match known {
            Some(group) => groups[*group].push(n),
            None => {
                if merges {
                    of_target.insert(&table.target.target, groups.len());
                }
                groups.push(vec![n]);
            }
        }
    }
    groups
}

/// Several tables as one.
pub(super) fn merged(tables: &[&Alone]) -> Result<TableToWrite> {
    let Some((first, others)) = tables.split_first() else {
        return Err(Error::internal("A target has no table"));
    };
    for other in others {
        if let Some(difference) = difference(&first.write, &other.write) {
            return Err(Error::config(format!(
                "The tables {} and {} go to one target, but {difference}",
                first.write.name, other.write.name
            ))
            .at(&first.target.target)
            .help("make them alike (with transforms, or the source's settings), or give each a target of its own"));
        }
    }
    let names: Vec<_> = tables.iter().map(|table| table.write.name.as_str()).collect();
    Ok(TableToWrite {
        name: joined(&names, 3),
        rows: tables.iter().map(|table| table.write.rows).sum(),
        ..first.write.clone()
    })
}

/// The table of a target as a stage sees it, which lays out tables as the source has them: several
/// partitions are none of them.
pub(super) fn as_staged(tables: &[&Alone], write: &TableToWrite) -> TableToWrite {
    let mut partitions = tables.iter().map(|table| table.write.part.partition());
    let first = partitions.next().flatten();
    let part = match partitions.all(|partition| partition == first) {
        true => write.part.clone(),
        false => Part::Whole,
    };
    TableToWrite { part, ..write.clone() }
}

/// What keeps two tables from being one: `their vectors have 4 and 8 dimensions`.
fn difference(one: &TableToWrite, other: &TableToWrite) -> Option<String> {
    let (a, b) = (one.schema.column(), other.schema.column());
    if a.dim != b.dim {
        return Some(format!("their vectors have {} and {} dimensions", a.dim, b.dim));
    }
    if one.metric != other.metric {
        let name = |table: &TableToWrite| {
            table.metric.map_or("no metric".to_owned(), |m| format!("the metric {m}"))
        };
        return Some(format!("they state {} and {}", name(one), name(other)));
    }
    let (a, b) = (one.schema.arrow().fields(), other.schema.arrow().fields());
    if a.len() != b.len() {
        return Some(format!("they have {} and {} columns", a.len(), b.len()));
    }
    let (a, b) = a.iter().zip(b.iter()).find(|(a, b)| !alike(a, b))?;
    let words = |field: &Field| {
        let null = if field.is_nullable() { ", perhaps null" } else { "" };
        format!("`{}` ({}{null})", field.name(), field.data_type())
    };
    Some(format!("their columns {} and {} differ", words(a), words(b)))
}

/// True when the values of one column can stand in the other. Where they come from may differ.
fn alike(one: &Field, other: &Field) -> bool {
    let same = |key| one.metadata().get(key) == other.metadata().get(key);
    one.name() == other.name()
        && one.data_type() == other.data_type()
        && one.is_nullable() == other.is_nullable()
        && [ROLE, VECTOR_TYPE, EXTENSION_NAME].into_iter().all(same)
}

/// Makes sure that what goes to two targets is not staged in one place.
pub(super) fn check_stages(targets: &[Arc<TargetTable>]) -> Result<()> {
    let mut staged: BTreeMap<&str, &str> = BTreeMap::new();
    for target in targets.iter().filter(|target| target.moves()) {
        let Some(stage) = &target.stage else { continue };
        if let Some(other) = staged.insert(&stage.target, &target.write.name) {
            return Err(Error::config(format!(
                "The tables {other} and {} would be staged in one place",
                target.write.name
            ))
            .at(&stage.target)
            .help("move them in two runs, with two stages"));
        }
    }
    Ok(())
}

/// Names as one: `a + b + 5 more`.
pub(super) fn joined(names: &[&str], most: usize) -> String {
    let mut text = names.iter().take(most).copied().collect::<Vec<_>>().join(" + ");
    if names.len() > most {
        text.push_str(&format!(" + {} more", names.len() - most));
    }
    text
}
