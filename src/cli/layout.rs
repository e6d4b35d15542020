//! Aligned tables and the signs in them, for terminals and for pipes.

use std::fmt::Write;
use std::io::IsTerminal;

use comfy_table::{CellAlignment, Table, presets};

/// The signs beyond ASCII that results use, or their plain forms where the reader may be a program
/// or a terminal that can't show them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signs {
    /// Between a vector's type and its dimensions.
    pub times: &'static str,
    /// Where something was left out.
    pub ellipsis: &'static str,
}

impl Signs {
    /// What suits standard output.
    pub fn choose() -> Signs {
        if std::io::stdout().is_terminal() && unicode() {
            Signs { times: "×", ellipsis: "…" }
        } else {
            Signs { times: "x", ellipsis: "..." }
        }
    }
}

/// True when the locale's characters are Unicode; the first variable that is set decides (POSIX,
/// environment variables, precedence).
pub(super) fn unicode() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}

/// Text that can't move the cursor, change colours or break a line: names come from files and
/// servers that anybody may have written.
pub(super) fn clean(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut clean, c| {
        if c.is_control() {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
        clean
    })
}

/// A column's heading and side.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column<'a> {
    /// For names and words.
    Left(&'a str),
    /// For numbers.
    Right(&'a str),
}

/// A table without lines, its columns two spaces apart. Headings that are ours are in capitals;
/// those that come from the data keep their case.
pub(super) struct Columns(Table);

impl Columns {
    pub fn new(columns: &[Column<'_>]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(columns.iter().map(|column| match column {
            Column::Left(name) | Column::Right(name) => clean(name),
        }));
        for (n, column) in columns.iter().enumerate() {
            if let Some(cells) = table.column_mut(n) {
                cells.set_padding((0, 2));
                if matches!(column, Column::Right(_)) {
                    cells.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        Columns(table)
    }

    /// Adds a row of cells, one a column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.add_row(cells.into_iter().map(|cell| clean(&cell)));
    }

    /// The table's lines, each behind `indent`.
    pub fn render(&self, indent: &str) -> String {
        self.0.lines().fold(String::new(), |mut text, line| {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{indent}{}", line.trim_end());
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_names_are_harmless() {
        let mut columns = Columns::new(&[Column::Left("SOURCE"), Column::Right("ROWS")]);
        columns.row(["a".to_owned(), "1,000".to_owned()]);
        columns.row(["evil\u{1b}[2J\nname".to_owned(), "7".to_owned()]);
        assert_eq!(
            columns.render("  ").lines().collect::<Vec<_>>(),
            [
                "  SOURCE                ROWS",
                "  a                    1,000",
                r"  evil\u{1b}[2J\nname      7",
            ]
        );
    }
}
