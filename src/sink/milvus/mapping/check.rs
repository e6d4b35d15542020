//! All that is wrong with a mapping, told at once.

use std::collections::BTreeMap;

use super::rows::{Goal, There};
use super::{CollectionMapping, Mapping, partition_of};
use crate::error::{Error, Result};
use crate::milvus::v2::definition::{Definition, FunctionDefinition};
use crate::milvus::v2::field::DYNAMIC;
use crate::sink::TableToWrite;
use crate::sink::server::{NAME_RULE, is_name};
use crate::table::Role;
use crate::words::{plural, suggest};

impl Mapping {
    pub(super) fn check(&self, tables: &[TableToWrite], goals: &[Goal]) -> Result<()> {
        let mut all = Mistakes::default();
        for (key, mapping) in &self.0 {
            all.within = key.clone();
            let of: Vec<_> = tables
                .iter()
                .zip(goals)
                .filter(|(table, _)| self.of(table).is_some_and(|of| std::ptr::eq(of, mapping)))
                .collect();
            if of.is_empty() {
                let names: Vec<_> = tables.iter().map(name_of).collect();
                all.unknown("", "the source has no collection", key, &names);
                continue;
            }
            mapping.check_names(&of, &mut all);
            for (table, goal) in of {
                mapping.check_fields(table, goal.there.as_ref(), &mut all);
            }
        }
        all.into_result()
    }
}

/// A collection's name as a key of the mapping.
fn name_of(table: &TableToWrite) -> String {
    match &table.database {
        Some(database) => format!("{database}/{}", table.collection),
        None => table.collection.clone(),
    }
}

impl CollectionMapping {
    fn check_names(&self, of: &[(&TableToWrite, &Goal)], all: &mut Mistakes) {
        let partitions: Vec<_> =
            of.iter().map(|(table, _)| partition_of(&table.part).to_owned()).collect();
        for (setting, name) in [("collection", &self.collection), ("database", &self.database)] {
            name.iter().for_each(|name| all.name(setting, name));
        }
        for (old, new) in &self.partitions {
            if !partitions.contains(old) {
                all.unknown("partitions", "there is no partition", old, &partitions);
            }
            all.name("partitions", new);
        }
    }

    fn check_fields(&self, table: &TableToWrite, there: Option<&There>, all: &mut Mistakes) {
        let schema = table.schema.arrow();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).collect();
        // What can't be understood is told by whoever makes the collection from it.
        let definition = Definition::within(schema).ok().flatten();
        let functions = definition.map(|definition| definition.functions).unwrap_or_default();
        let computing = |name: &String| functions.iter().find(|f| f.outputs.contains(name));
        for (setting, name) in (self.fields.keys().map(|name| ("fields", name)))
            .chain(self.leave_out.iter().map(|name| ("leave_out", name)))
            .filter(|(_, name)| !names.contains(name))
        {
            match computing(name) {
                Some(function) => all.add(setting, computed(name, function)),
                None => all.unknown(setting, "there is no field", name, &names),
            }
        }
        for (old, new) in &self.fields {
            if self.leave_out.contains(old) {
                all.add("fields", format!("`{old}` gets another name and is left out"));
            }
            if old == DYNAMIC {
                all.add("fields", format!("{DYNAMIC} can't have another name"));
            }
            all.name("fields", new);
        }
        self.check_kept(table, all);
        for name in self.constants.keys() {
            all.name("constants", name);
            if let Some(Err(why)) = self.constant(name, there) {
                all.add("constants", format!("`{name}`: {why}"));
            }
        }
        let outputs =
            functions.iter().filter(|function| self.keeps(function)).flat_map(|f| &f.outputs);
        self.check_unique(&names, outputs, all);
    }

    /// A table keeps its primary key and a vector.
    fn check_kept(&self, table: &TableToWrite, all: &mut Mistakes) {
        let key = table.schema.id().name();
        if self.leave_out.contains(key) {
            let what = format!("`{key}` is the primary key, which can't be left out");
            all.add(
                "leave_out",
                format!("{what} (sink.milvus.keep_ids: false gives rows new ones)"),
            );
        }
        let fields = table.schema.arrow().fields().iter();
        let vectors = fields.filter(|field| Role::of(field) == Role::Vector);
        let vectors: Vec<_> = vectors.map(|field| field.name()).collect();
        if vectors.iter().all(|name| self.leave_out.contains(name)) {
            let what = match vectors[..] {
                [only] => format!("`{only}` is the only vector, which can't be left out"),
                _ => "one of the vectors must stay".to_owned(),
            };
            all.add("leave_out", what);
        }
    }

    /// True when all that a function reads comes along.
    fn keeps(&self, function: &FunctionDefinition) -> bool {
        !function.inputs.iter().any(|input| self.leave_out.contains(input))
    }

    fn check_unique<'a>(
        &'a self,
        names: &'a [String],
        computed: impl Iterator<Item = &'a String>,
        all: &mut Mistakes,
    ) {
        let kept = names.iter().filter(|name| !self.leave_out.contains(name));
        let kept = kept.map(|name| (self.fields.get(name).unwrap_or(name), format!("`{name}`")));
        let constants = self.constants.keys().map(|name| (name, "a constant".to_owned()));
        let computed = computed.map(|name| (name, "one that the server computes".to_owned()));
        let mut by_name: BTreeMap<&String, Vec<String>> = BTreeMap::new();
        for (name, from) in kept.chain(computed).chain(constants) {
            by_name.entry(name).or_default().push(from);
        }
        for (name, from) in by_name.iter().filter(|(_, from)| from.len() > 1) {
            let what = format!("several fields would be called `{name}`: {}", from.join(" and "));
            all.add("", what);
        }
    }
}

fn computed(name: &str, function: &FunctionDefinition) -> String {
    format!(
        "`{name}` is computed by the server ({}): it keeps its name, and goes when a field that it is computed from ({}) is left out",
        function.name,
        function.inputs.join(", ")
    )
}

/// Each once, in the order in which they are found.
#[derive(Default)]
struct Mistakes {
    /// The collection that is looked at.
    within: String,
    all: Vec<String>,
}

impl Mistakes {
    fn add(&mut self, setting: &str, what: String) {
        let dot = if setting.is_empty() { "" } else { "." };
        let mistake = format!("{}{dot}{setting}: {what}", self.within);
        if !self.all.contains(&mistake) {
            self.all.push(mistake);
        }
    }

    fn name(&mut self, setting: &str, name: &str) {
        if !is_name(name) {
            self.add(
                setting,
                format!("Milvus does not take the name `{name}`: names are {NAME_RULE}"),
            );
        }
    }

    fn unknown(&mut self, setting: &str, what: &str, name: &str, known: &[String]) {
        let mut unique: Vec<_> = known.iter().map(String::as_str).collect();
        unique.sort_unstable();
        unique.dedup();
        let help = suggest(name, &unique).map(|help| format!(" ({help})")).unwrap_or_default();
        self.add(setting, format!("{what} `{name}`{help}"));
    }

    fn into_result(self) -> Result<()> {
        if self.all.is_empty() {
            return Ok(());
        }
        let count = plural(self.all.len() as u64, "mistake");
        let lines: String = self.all.iter().map(|mistake| format!("\n    {mistake}")).collect();
        Err(Error::config(format!(
            "There {} {count} in sink.milvus.mapping:{lines}",
            match self.all[..] {
                [_] => "is",
                _ => "are",
            }
        )))
    }
}
