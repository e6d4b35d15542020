//! `--set key.path=value`: overrides on the tree.

use crate::config::diagnostic::Problem;
use crate::config::tree::{Key, Location, Node, Origin, Scalar, Value};
use crate::config::yaml;
use crate::milvus::Generation;

/// One `--set`, taken apart.
pub(super) struct Override<'a> {
    path: Vec<(&'a str, Location)>,
    value: Node,
}

impl<'a> Override<'a> {
    /// Reads the `n`th flag: a path of keys and list indices, `=`, and a value in YAML.
    pub fn parse(flag: &'a str, n: usize) -> Result<Self, Problem> {
        let origin = Origin::Set(n);
        let whole = Location { origin, line: 1, column: 1, width: flag.chars().count().max(1) };
        let example = "write it like --set sink.milvus.collection=news";
        let Some((path, value)) = flag.split_once('=') else {
            return Err(Problem::new("A --set has no `=`", whole).help(example));
        };
        let mut column = 1;
        let mut keys = Vec::new();
        for key in path.split('.') {
            let width = key.chars().count();
            let at = Location { origin, line: 1, column, width: width.max(1) };
            if key.trim() != key || key.is_empty() {
                return Err(Problem::new("A --set has an empty key in its path", at).help(example));
            }
            keys.push((key, at));
            column += width + 1;
        }
        let shift = |mut at: Location| {
            if at.line == 1 {
                at.column += column - 1;
            }
            at
        };
        let value = match yaml::parse(value, origin) {
            Ok(Some(mut node)) => {
                relocate(&mut node, &shift);
                node
            }
            Ok(None) => Node::new(Value::Scalar(Scalar::new("", true)), whole),
            Err(problem) => return Err(Problem { at: shift(problem.at), ..problem }),
        };
        Ok(Override { path: keys, value })
    }

    /// The first key of the path.
    pub fn first_key(&self) -> &str {
        self.path.first().map_or("", |(key, _)| key)
    }

    /// Lets a path into the sink of one generation of Milvus be one into the other's.
    pub fn rename_sink(&mut self, destination: Generation) {
        if let [(sink, _), (kind, _), ..] = self.path.as_mut_slice()
            && *sink == "sink"
            && *kind == destination.other().config_key()
        {
            *kind = destination.config_key();
        }
    }

    /// The value, for resolving variables in it.
    pub fn value_mut(&mut self) -> &mut Node {
        &mut self.value
    }

    /// Puts the value into the tree; maps that the path needs are made.
    pub fn apply(self, root: &mut Node) -> Result<(), Problem> {
        let mut node = root;
        let mut written = String::new();
        for (key, at) in self.path {
            if node.is_null() {
                *node = Node::new(Value::Map(Vec::new()), at);
            }
            let sort = node.sort();
            node = match &mut node.value {
                Value::Map(entries) => entry(entries, key, at),
                Value::List(items) => item(items, key, at)?,
                Value::Scalar(_) => {
                    return Err(Problem::new(format!("`{written}` is {sort} without keys"), at)
                        .help(format!("there is no `{key}` in it to set")));
                }
            };
            if !written.is_empty() {
                written.push('.');
            }
            written.push_str(key);
        }
        *node = self.value;
        Ok(())
    }
}

fn entry<'n>(entries: &'n mut Vec<(Key, Node)>, key: &str, at: Location) -> &'n mut Node {
    let place = entries.iter().position(|(k, _)| k.text == key).unwrap_or(entries.len());
    if place == entries.len() {
        let nothing = Node::new(Value::Scalar(Scalar::new("", true)), at);
        entries.push((Key { text: key.to_owned(), at }, nothing));
    }
    &mut entries[place].1
}

/// The item of that number; the number after the last adds one.
fn item<'n>(items: &'n mut Vec<Node>, key: &str, at: Location) -> Result<&'n mut Node, Problem> {
    let len = items.len();
    match key.parse::<usize>() {
        Ok(n) if n <= len => {
            if n == len {
                items.push(Node::new(Value::Scalar(Scalar::new("", true)), at));
            }
            Ok(&mut items[n])
        }
        _ => Err(Problem::new(format!("`{key}` is no item of this list"), at)
            .help(format!("items are numbered from 0; the list has {len}, and {len} adds one"))),
    }
}

fn relocate(node: &mut Node, shift: &impl Fn(Location) -> Location) {
    node.at = shift(node.at);
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::List(items) => items.iter_mut().for_each(|item| relocate(item, shift)),
        Value::Map(entries) => {
            for (key, node) in entries {
                key.at = shift(key.at);
                relocate(node, shift);
            }
        }
    }
}
