//! `${NAME}`, `${NAME:-default}` and `$$` in scalar values.
//!
//! What a variable holds is text: it is never read as YAML again, so it can't add keys. A default
//! is taken where the variable is unset or empty, and is text as well, up to the first `}`.
//!
//! YAML gives braces a meaning of their own within `{ … }` and `[ … ]`, so that `{ token: ${T} }`
//! would be no YAML. People write it all the same, and mean one thing: [`shield`] takes a
//! reference's braces out of the parser's sight, one character for one, and [`unshield`] brings
//! them back.

use std::borrow::Cow;

use crate::config::diagnostic::Problem;
use crate::config::tree::{Location, Node, Scalar, Value};
use crate::config::yaml::MAX_TEXT;

/// How variables are looked up: `None` for an unset one.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Characters with a meaning in YAML, and what stands for them (of Unicode's private use area).
const SHIELDS: [(char, char); 5] =
    [('{', '\u{f07b}'), ('}', '\u{f07d}'), ('[', '\u{f05b}'), (']', '\u{f05d}'), (',', '\u{f02c}')];

/// The text with every `${…}` of one line in characters that mean nothing in YAML.
pub(super) fn shield(text: &str) -> Cow<'_, str> {
    if !text.contains("${") || SHIELDS.iter().any(|(_, shield)| text.contains(*shield)) {
        return Cow::Borrowed(text);
    }
    let mut shielded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let end = start + 2 + reference_len(&rest[start + 2..]);
        shielded.push_str(&rest[..start]);
        let reference = rest[start..end].chars();
        shielded.extend(reference.map(|c| swap(c, |(plain, shield)| (plain, shield))));
        rest = &rest[end..];
    }
    shielded.push_str(rest);
    Cow::Owned(shielded)
}

/// Bytes of `NAME}` or `NAME:-default}`, without quotes, at the start of the text; else 0.
fn reference_len(text: &str) -> usize {
    let name = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let Some(name) = name else { return 0 };
    let after = &text[name..];
    let end = if after.starts_with(":-") { after.find(['}', '"', '\'', '\n']) } else { Some(0) };
    end.filter(|&end| after[end..].starts_with('}')).map_or(0, |end| name + end + 1)
}

/// Undoes [`shield`].
pub(super) fn unshield(text: &str) -> String {
    text.chars().map(|c| swap(c, |(plain, shield)| (shield, plain))).collect()
}

fn swap(c: char, direction: impl Fn((char, char)) -> (char, char)) -> char {
    SHIELDS.into_iter().map(direction).find(|(from, _)| *from == c).map_or(c, |(_, to)| to)
}

/// Resolves every scalar value of the tree.
pub(super) fn resolve(node: &mut Node, lookup: Lookup<'_>) -> Result<(), Problem> {
    let mut resolver = Resolver { lookup, bytes: 0 };
    resolver.node(node)
}

struct Resolver<'l> {
    lookup: Lookup<'l>,
    bytes: usize,
}

impl Resolver<'_> {
    fn node(&mut self, node: &mut Node) -> Result<(), Problem> {
        match &mut node.value {
            Value::Scalar(scalar) if scalar.text.contains('$') => self.scalar(scalar, node.at),
            Value::Scalar(_) => Ok(()),
            Value::List(items) => items.iter_mut().try_for_each(|item| self.node(item)),
            Value::Map(entries) => entries.iter_mut().try_for_each(|(_, node)| self.node(node)),
        }
    }

    fn scalar(&mut self, scalar: &mut Scalar, at: Location) -> Result<(), Problem> {
        let mut resolved = String::new();
        let mut rest = scalar.text.as_str();
        let mut from_env = None;
        while let Some(dollar) = rest.find('$') {
            let (before, after) = (&rest[..dollar], &rest[dollar + 1..]);
            resolved.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                resolved.push('$');
                rest = after;
            } else if let Some(reference) = after.strip_prefix('{') {
                let Some((reference, after)) = reference.split_once('}') else {
                    return Err(Problem::new("A `${` has no closing `}`", at)
                        .help("write ${NAME} for a variable, $$ for a dollar sign"));
                };
                let name = self.push_value(reference, at, &mut resolved)?;
                from_env = Some(name.to_owned());
                rest = after;
            } else {
                resolved.push('$');
                rest = after;
            }
        }
        resolved.push_str(rest);
        scalar.text = resolved;
        scalar.from_env = from_env;
        Ok(())
    }

    fn push_value<'r>(
        &mut self,
        reference: &'r str,
        at: Location,
        resolved: &mut String,
    ) -> Result<&'r str, Problem> {
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(Problem::new("This is no name of an environment variable", at)
                .help("a name has letters, digits and `_`; write $$ for a dollar sign"));
        }
        let value = match ((self.lookup)(name), default) {
            (Some(value), None) => value,
            (Some(value), Some(_)) if !value.is_empty() => value,
            (_, Some(default)) => default.to_owned(),
            (None, None) => {
                let what = format!("The environment variable `{name}` is not set");
                return Err(Problem::new(what, at)
                    .help(format!("set it, or give a default: ${{{name}:-default}}")));
            }
        };
        self.bytes += value.len();
        if self.bytes > MAX_TEXT {
            return Err(Problem::new("The values of the variables are too large", at)
                .help(format!("{} MiB are the limit", MAX_TEXT >> 20)));
        }
        resolved.push_str(&value);
        Ok(name)
    }
}
