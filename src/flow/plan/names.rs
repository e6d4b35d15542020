//! Names that the sink can't have: all of them in one error, each with one that would do.

use std::collections::{BTreeMap, BTreeSet};

use super::ToWrite;
use crate::error::{Error, Result};
use crate::sink::{NameOf, RefusedName, Sink, TableToWrite};
use crate::source::Renaming;
use crate::words::{count, plural};

/// Names that are listed, at most.
const LISTED: usize = 20;

/// A name that the sink refuses, and what the user can write instead.
struct Refused {
    name: RefusedName,
    instead: String,
    /// Its entry in the source's map of names, where there is one.
    entry: Option<(&'static str, String)>,
    table: String,
}

/// Refuses all names that the sink can't have, before any table is planned.
pub(super) fn check(sink: &dyn Sink, tables: &[ToWrite]) -> Result<()> {
    let refused = all_refused(sink, tables);
    let Some(first) = refused.first() else { return Ok(()) };
    let names = plural(refused.len() as u64, "name");
    Err(Error::config(format!("{names} of the source can't be had at the target"))
        .at(format!("sink {}", sink.kind()))
        .help(format!(
            "names there are {}. Nothing is renamed unasked: write other names, such as these, {}",
            first.name.rule,
            entries(&refused, tables.len())
        )))
}

fn all_refused(sink: &dyn Sink, tables: &[ToWrite]) -> Vec<Refused> {
    let mut taken = Taken::of(sink, tables);
    let mut known = BTreeSet::new();
    let mut all = Vec::new();
    for ToWrite { source, write, .. } in tables {
        for name in sink.refused_names(write) {
            let space = space_of(name.of, write);
            if !known.insert((space.clone(), name.name.clone())) {
                continue;
            }
            let entry = |renaming: &Renaming| {
                let key = match name.of {
                    NameOf::Collection => Some(renaming.collection.clone()),
                    NameOf::Partition => renaming.partition.clone(),
                };
                key.map(|key| (renaming.setting, key))
            };
            all.push(Refused {
                instead: taken.free(space, &name.instead),
                entry: source.renaming.as_ref().and_then(entry),
                table: source.name.clone(),
                name,
            });
        }
    }
    all
}

/// What a name must be unique among: collections (none), or the partitions of one.
type Space = Option<String>;

fn space_of(of: NameOf, write: &TableToWrite) -> Space {
    match of {
        NameOf::Collection => None,
        NameOf::Partition => Some(write.collection.clone()),
    }
}

/// Names that are in use, or have been suggested.
struct Taken(BTreeMap<Space, BTreeSet<String>>);

impl Taken {
    fn of(sink: &dyn Sink, tables: &[ToWrite]) -> Taken {
        let mut taken = Taken(BTreeMap::new());
        for ToWrite { write, .. } in tables {
            let refused = sink.refused_names(write);
            let mut note = |of, name: &str| {
                if !refused.iter().any(|refused| refused.of == of) {
                    taken.0.entry(space_of(of, write)).or_default().insert(name.to_owned());
                }
            };
            note(NameOf::Collection, &write.collection);
            if let Some(partition) = write.part.partition() {
                note(NameOf::Partition, partition);
            }
        }
        taken
    }

    /// `name`, with a number behind it where it is taken.
    fn free(&mut self, space: Space, name: &str) -> String {
        let taken = self.0.entry(space).or_default();
        let numbered = (2..).map(|n: u64| format!("{name}_{n}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        let free = names.find(|name| !taken.contains(name)).unwrap_or_default();
        taken.insert(free.clone());
        free
    }
}

/// What to write where: entries of the source's map, or settings of the sink.
fn entries(refused: &[Refused], tables: usize) -> String {
    let listed = || refused.iter().take(LISTED);
    let setting = refused.iter().find_map(|refused| refused.entry.as_ref()).map(|(key, _)| *key);
    let Some((parent, map)) = setting.and_then(|setting| setting.rsplit_once('.')) else {
        let alone = if tables > 1 { " (each table in a run of its own)" } else { "" };
        let lines = listed().map(|refused| {
            let Refused { name, instead, table, .. } = refused;
            format!("\n    {}: {instead}    # table {table}", name.setting)
        });
        return format!("into the sink{alone}:{}{}", lines.collect::<String>(), more(refused));
    };
    let lines = listed().filter_map(|refused| {
        let (_, key) = refused.entry.as_ref()?;
        // A text in JSON is one in YAML, too.
        Some(format!("\n      {}: {}", serde_json::Value::from(key.as_str()), refused.instead))
    });
    format!("under {parent}:\n    {map}:{}{}", lines.collect::<String>(), more(refused))
}

fn more(refused: &[Refused]) -> String {
    match refused.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!("\n      # and {} more, which the next plan lists", count(more as u64)),
    }
}
