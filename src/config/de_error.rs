//! What goes wrong between the tree and typed values, in words for people.
//!
//! Messages name keys, types and choices, never values: a value may be a secret, and the line that
//! is shown with the error has it where it is none.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use crate::config::diagnostic::Problem;
use crate::config::tree::{Location, Node, Scalar, Value};
use crate::words::suggest;

/// An error on its way up through the tree. In a box, as every step of the way returns it.
#[derive(Debug)]
pub(super) struct Failure(Box<Parts>);

#[derive(Debug)]
struct Parts {
    what: String,
    help: Option<String>,
    at: Option<Location>,
    path: String,
    /// The message was made by a type of this project or of a library, and may hold the value.
    foreign: bool,
    /// It is about something that is not there.
    missing: bool,
    /// What was wanted, where that is known.
    expected: Option<String>,
}

impl Failure {
    fn new(what: impl Into<String>) -> Self {
        Failure(Box::new(Parts {
            what: what.into(),
            help: None,
            at: None,
            path: String::new(),
            foreign: false,
            missing: false,
            expected: None,
        }))
    }

    /// Something else was expected.
    pub fn expected(expected: &str, found: &str) -> Self {
        let mut failure = Failure::wanted(expected);
        failure.0.what = format!("{}, found {found}", failure.0.what);
        failure
    }

    /// A value of the right sort is wrong.
    fn wanted(expected: &str) -> Self {
        let (words, help) = in_words(expected);
        let mut failure = Failure::new(format!("Expected {words}"));
        failure.0.help = help.map(str::to_owned);
        failure.0.expected = Some(words.to_owned());
        failure
    }

    /// No kind of source, transform or sink is given.
    pub fn no_kind(known: &[&str]) -> Self {
        let mut failure = Failure::new("A kind is missing");
        failure.0.help = Some(format!("write one of {}", known.join(", ")));
        failure.0.missing = true;
        failure
    }

    /// More than one kind is given where exactly one is possible.
    pub fn several_kinds<'k>(
        kinds: impl Iterator<Item = &'k str>,
        known: &[&str],
        at: Location,
    ) -> Self {
        let kinds: Vec<String> = kinds.map(|kind| format!("`{kind}`")).collect();
        let mut failure =
            Failure::new(format!("Exactly one kind is possible, found {}", kinds.join(" and ")));
        failure.0.help = Some(format!("keep one of them; kinds are {}", known.join(", ")));
        failure.0.at = Some(at);
        failure
    }

    /// A kind is named without its settings.
    pub fn no_settings(kind: &str) -> Self {
        let mut failure = Failure::new(format!("`{kind}` has no settings"));
        failure.0.help = Some(format!("write them below it: `{kind}: {{ … }}`"));
        failure
    }

    /// Fills in where it happened, unless something further inside knew better.
    pub fn at(mut self, node: &Node, owner: Location) -> Self {
        if self.0.at.is_some() {
            return self;
        }
        self.0.at = Some(if self.0.missing || node.is_null() { owner } else { node.at });
        if let Value::Scalar(Scalar { from_env: Some(name), .. }) = &node.value {
            self.0.what = match &self.0.expected {
                Some(expected) => format!("The value of `${{{name}}}` is not {expected}"),
                None => format!("The value of `${{{name}}}` is not allowed here"),
            };
            self.0.help = self.0.help.filter(|_| !self.0.foreign);
        } else if self.0.foreign && holds_variable(node) {
            "The values given here are not allowed".clone_into(&mut self.0.what);
        }
        self
    }

    /// Fills in that it is about a key.
    pub fn at_key(mut self, at: Location) -> Self {
        self.0.at.get_or_insert(at);
        self
    }

    /// Adds a key or index on the way up.
    pub fn within(mut self, key: &str) -> Self {
        self.0.path =
            if self.0.path.is_empty() { key.to_owned() } else { format!("{key}.{}", self.0.path) };
        self
    }

    /// The error, once it is at the top.
    pub fn into_problem(self, root: Location) -> Problem {
        let problem = Problem::new(self.0.what, self.0.at.unwrap_or(root)).path(self.0.path);
        match self.0.help {
            Some(help) => problem.help(help),
            None => problem,
        }
    }
}

impl de::Error for Failure {
    fn custom<T: Display>(message: T) -> Self {
        let message = message.to_string();
        let mut letters = message.chars();
        let what = letters.next().map(|c| c.to_uppercase().collect::<String>() + letters.as_str());
        let mut failure = Failure::new(what.unwrap_or_default());
        failure.0.foreign = true;
        failure
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Unit | Unexpected::Option => "nothing",
            Unexpected::Seq => "a list",
            Unexpected::Map => "a map",
            Unexpected::Bool(_) => "true or false",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            _ => "a text",
        };
        Failure::expected(&expected.to_string(), found)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Failure::wanted(&expected.to_string())
    }

    fn invalid_length(len: usize, expected: &dyn Expected) -> Self {
        Failure::expected(&expected.to_string(), &format!("{len} items"))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let mut failure = Failure::new(format!("`{variant}` is not known here"));
        failure.0.help = suggest(variant, known);
        failure.0.expected = Some(format!("one of {}", known.join(", ")));
        failure.0.foreign = true;
        failure
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        let mut failure = Failure::new(format!("Unknown key `{field}`"));
        failure.0.help = suggest(field, known);
        failure
    }

    fn missing_field(field: &'static str) -> Self {
        let mut failure = Failure::new(format!("Key `{field}` is missing"));
        failure.0.missing = true;
        failure
    }

    fn duplicate_field(field: &'static str) -> Self {
        Failure::new(format!("Key `{field}` is given twice, under two spellings"))
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)
    }
}

impl std::error::Error for Failure {}

fn holds_variable(node: &Node) -> bool {
    match &node.value {
        Value::Scalar(scalar) => scalar.from_env.is_some(),
        Value::List(items) => items.iter().any(holds_variable),
        Value::Map(entries) => entries.iter().any(|(_, node)| holds_variable(node)),
    }
}

/// What serde expects, in words for people, and how to write it.
fn in_words(expected: &str) -> (&str, Option<&'static str>) {
    match expected {
        "a boolean" => ("true or false", None),
        "a string" | "string" => ("a text", None),
        "a sequence" => ("a list", Some("write `[a, b]`, or one `- …` a line")),
        "f32" | "f64" => ("a number", None),
        "i8" | "i16" | "i32" | "i64" => ("a whole number", None),
        "u8" => ("a whole number from 0 to 255", None),
        "u16" => ("a whole number from 0 to 65535", None),
        "u32" => ("a whole number from 0 to 4294967295", None),
        "u64" | "usize" => ("a whole number from 0", None),
        other if other.starts_with("struct ") => ("a map", Some("write `key: value` below it")),
        other if other.starts_with("enum ") => ("a kind", None),
        other => (other, None),
    }
}
