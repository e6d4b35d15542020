//! What is wrong with a configuration, shown where it was written.

use std::fmt::Write;

use crate::config::mask;
use crate::config::tree::{Location, Origin};
use crate::error::Error;

/// Characters of a source line that are shown around the place that matters.
const SHOWN: usize = 100;

/// Something wrong at a place.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub what: String,
    pub help: Option<String>,
    pub at: Location,
    /// Keys and indices that lead to the value, as people write them: `sink.milvus.mode`.
    pub path: String,
}

impl Problem {
    pub fn new(what: impl Into<String>, at: Location) -> Self {
        Problem { what: what.into(), help: None, at, path: String::new() }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }
}

/// The texts that the configuration was read from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts<'a> {
    /// Name of the file, for people.
    pub name: &'a str,
    /// What stands in it.
    pub file: &'a str,
    /// The `--set` flags, without the flag's name.
    pub sets: &'a [String],
}

impl Texts<'_> {
    /// The error for people: the file, line and column, and the line itself with what is wrong
    /// underlined. Values of secrets are hidden; references to variables show as they are written.
    pub fn error(&self, problem: Problem) -> Error {
        let Problem { what, help, at, path } = problem;
        let place = match at.origin {
            Origin::File => format!("{}:{}:{}", self.name, at.line, at.column),
            Origin::Set(n) => {
                let flag = self.sets.get(n).map_or("", String::as_str);
                let key = flag.split_once('=').map_or(flag, |(key, _)| key);
                format!("--set {}", mask::printable(key))
            }
        };
        let named = path.is_empty() || at.origin != Origin::File;
        let key = if named { String::new() } else { format!(", key {}", mask::printable(&path)) };
        let error =
            Error::config(mask::printable(&what)).at(format!("{place}{key}{}", self.snippet(at)));
        match help {
            Some(help) => error.help(help),
            None => error,
        }
    }

    fn snippet(&self, at: Location) -> String {
        let (lines, prefix) = match at.origin {
            Origin::File => (mask::lines(self.file, at.line), ""),
            Origin::Set(n) => {
                let flag = self.sets.get(n).map_or("", String::as_str);
                (mask::flag(flag, at.line), if at.line == 1 { "--set " } else { "" })
            }
        };
        let Some(line) = lines.filter(|line| !line.trim().is_empty()) else {
            return String::new();
        };
        let line: Vec<char> = prefix.chars().chain(line.chars()).collect();
        let start = (at.column.saturating_sub(1) + prefix.chars().count()).min(line.len());
        let width = at.width.clamp(1, (line.len() - start).max(1));

        // A window of a long line, so that the place that matters is on the screen.
        let from = if line.len() <= SHOWN { 0 } else { start.saturating_sub(SHOWN / 2) };
        let to = line.len().min(from + SHOWN);
        let width = width.min((to - start).max(1));
        let shown: String = line[from..to].iter().collect();
        let (before, after) =
            (if from > 0 { "…" } else { "" }, if to < line.len() { "…" } else { "" });
        let number = if at.origin == Origin::File { at.line.to_string() } else { String::new() };
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(start - from + before.chars().count());
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = write!(
            text,
            "\n  {margin} |\n  {number} | {before}{}{after}\n  {margin} | {indent}{}",
            shown.trim_end(),
            "^".repeat(width)
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let file = format!("a: [{}, here, {}]", "x".repeat(300), "y".repeat(300));
        let texts = Texts { name: "a.yaml", file: &file, sets: &[] };
        let at = Location { origin: Origin::File, line: 1, column: 307, width: 4 };
        let text = texts.error(Problem::new("Wrong", at)).to_string();
        let (shown, marks) = {
            let mut lines = text.lines().skip(3);
            (lines.next().unwrap(), lines.next().unwrap())
        };
        let column = marks.chars().position(|c| c == '^').unwrap();
        let marked: String = shown.chars().skip(column).take(4).collect();
        assert_eq!(marked, "here");
        assert!(shown.chars().count() < 120, "{shown}");
    }
}
