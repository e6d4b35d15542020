//! From YAML text to a tree: anchors, merge keys and limits; one document, no key twice.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_yaml::granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput, Tag};

use crate::config::diagnostic::Problem;
use crate::config::env;
use crate::config::tree::{Key, Location, Node, Origin, Scalar, Value};

/// Nodes of a tree, aliases counted as often as they are used.
const MAX_NODES: usize = 100_000;
/// Bytes of all scalars of a tree, aliases counted as often as they are used.
pub(super) const MAX_TEXT: usize = 16 << 20;
/// Lists and maps within each other.
const MAX_DEPTH: usize = 64;

/// Reads one document. `None` when there is nothing but comments.
pub(super) fn parse(text: &str, origin: Origin) -> Result<Option<Node>, Problem> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let shielded = env::shield(text);
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(&shielded, options),
        origin,
        is_shielded: matches!(shielded, Cow::Owned(_)),
        anchors: HashMap::new(),
        nodes: 0,
        bytes: 0,
    };
    let mut root = None;
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(..) if root.is_some() => {
                return Err(Problem::new(
                    "A second document starts here",
                    reader.location(span, 3),
                )
                .help("a configuration is one document: remove the line `---`, or use two files"));
            }
            Event::DocumentStart(..) => {}
            event => root = Some(reader.node(event, span, 0)?.node),
        }
    }
    // A document of comments alone is an empty scalar to the parser.
    Ok(root.filter(|node| !node.is_null()))
}

struct Reader<'i> {
    events: Parser<'i, StrInput<'i>>,
    origin: Origin,
    is_shielded: bool,
    anchors: HashMap<usize, Sized>,
    nodes: usize,
    bytes: usize,
}

/// A node and what using it once more costs.
#[derive(Clone)]
struct Sized {
    node: Node,
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl<'i> Reader<'i> {
    fn next(&mut self) -> Result<Option<(Event<'i>, Span)>, Problem> {
        match self.events.next_event() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => {
                let mark = error.marker();
                let at = Location {
                    origin: self.origin,
                    line: mark.line().max(1),
                    column: mark.col() + 1,
                    width: 1,
                };
                Err(Problem::new(format!("This is not YAML: {}", error.info()), at))
            }
        }
    }

    fn location(&self, span: Span, width: usize) -> Location {
        Location {
            origin: self.origin,
            line: span.start.line().max(1),
            column: span.start.col() + 1,
            width: width.max(1),
        }
    }

    /// The scalar's own width; one that goes over several lines is underlined where it starts.
    fn scalar_location(&self, span: Span) -> Location {
        let one_line = span.start.line() == span.end.line();
        let width = if one_line { span.end.col().saturating_sub(span.start.col()) } else { 1 };
        self.location(span, width)
    }

    fn node(&mut self, event: Event<'i>, span: Span, depth: usize) -> Result<Sized, Problem> {
        let at = self.location(span, 1);
        if depth >= MAX_DEPTH {
            return Err(Problem::new("Lists and maps are nested too deeply", at)
                .help(format!("{MAX_DEPTH} levels are the limit")));
        }
        let (before_nodes, before_bytes) = (self.nodes, self.bytes);
        let (value, at, anchor, below) = match event {
            Event::Alias(id) => return self.alias(id, at, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let at = self.scalar_location(span);
                let as_text = self.check_tag(tag.as_deref(), at)?;
                self.spend(1, text.len(), at)?;
                let text = if self.is_shielded { env::unshield(&text) } else { text.into_owned() };
                let plain = style == ScalarStyle::Plain && !as_text;
                (Value::Scalar(Scalar::new(text, plain)), at, anchor, 0)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), at)?;
                self.spend(1, 0, at)?;
                let (items, below) = self.list(depth)?;
                (Value::List(items), at, anchor, below)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), at)?;
                self.spend(1, 0, at)?;
                let (entries, below) = self.map(depth)?;
                (Value::Map(entries), at, anchor, below)
            }
            _ => return Err(Problem::new("A value is missing here", at)),
        };
        let sized = Sized {
            node: Node::new(value, at),
            nodes: self.nodes - before_nodes,
            bytes: self.bytes - before_bytes,
            depth: below + 1,
        };
        if anchor > 0 {
            self.anchors.insert(anchor, sized.clone());
        }
        Ok(sized)
    }

    fn alias(&mut self, id: usize, at: Location, depth: usize) -> Result<Sized, Problem> {
        let Some(sized) = self.anchors.get(&id).cloned() else {
            return Err(Problem::new("This alias stands within the value that it names", at));
        };
        if depth + sized.depth > MAX_DEPTH {
            return Err(Problem::new("Lists and maps are nested too deeply", at)
                .help(format!("{MAX_DEPTH} levels are the limit")));
        }
        self.spend(sized.nodes, sized.bytes, at)?;
        Ok(sized)
    }

    fn spend(&mut self, nodes: usize, bytes: usize, at: Location) -> Result<(), Problem> {
        self.nodes += nodes;
        self.bytes += bytes;
        if self.nodes > MAX_NODES || self.bytes > MAX_TEXT {
            return Err(Problem::new("The configuration is too large", at).help(format!(
                "{MAX_NODES} values and {} MiB of text are the limit, each use of an alias counted",
                MAX_TEXT >> 20
            )));
        }
        Ok(())
    }

    /// True when the tag makes a text of what might be something else.
    fn check_tag(&self, tag: Option<&Tag>, at: Location) -> Result<bool, Problem> {
        match tag {
            None => Ok(false),
            Some(tag) if tag.is_yaml_core_schema() => Ok(tag.core_suffix() == Some("str")),
            Some(tag) => {
                Err(Problem::new(format!("The tag `{}` has no meaning here", tag.original()), at)
                    .help("a configuration is plain YAML; remove the tag"))
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<(Vec<Node>, usize), Problem> {
        let mut items = Vec::new();
        let mut below = 0;
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            let item = self.node(event, span, depth + 1)?;
            below = below.max(item.depth);
            items.push(item.node);
        }
        Ok((items, below))
    }

    fn map(&mut self, depth: usize) -> Result<(Vec<(Key, Node)>, usize), Problem> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut lines = HashMap::new();
        let mut merged = None;
        let mut below = 0;
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.node(event, span, depth + 1)?.node;
            let at = key.at;
            let Value::Scalar(key) = key.value else {
                return Err(Problem::new("A key must be a single word", at));
            };
            let Some((event, span)) = self.next()? else { break };
            let value = self.node(event, span, depth + 1)?;
            below = below.max(value.depth);
            if let Some(line) = lines.insert(key.text.clone(), at.line) {
                return Err(Problem::new(format!("Key `{}` is given twice", key.text), at)
                    .help(format!("it stands in line {line} already")));
            }
            if key.plain && key.text == "<<" {
                merged = Some(value.node);
            } else {
                entries.push((Key { text: key.text, at }, value.node));
            }
        }
        if let Some(merged) = merged {
            merge(&mut entries, merged)?;
        }
        Ok((entries, below))
    }
}

/// Adds what `<<` brings: a map, or several of which the first has precedence. Own keys win.
fn merge(entries: &mut Vec<(Key, Node)>, merged: Node) -> Result<(), Problem> {
    let at = merged.at;
    let maps = match merged.value {
        Value::List(maps) => maps,
        value => vec![Node::new(value, at)],
    };
    let mut own: HashSet<String> = entries.iter().map(|(key, _)| key.text.clone()).collect();
    for map in maps {
        let Value::Map(added) = map.value else {
            return Err(Problem::new("`<<` merges maps, and this is none", map.at));
        };
        for (key, node) in added {
            if own.insert(key.text.clone()) {
                entries.push((key, node));
            }
        }
    }
    Ok(())
}
