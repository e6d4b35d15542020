//! Rows that can't be moved as they are, and why.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use arrow::util::display::array_value_to_string;
use arrow_array::{Array, ArrayRef, RecordBatch, make_array};

use crate::error::{Error, Result};
use crate::table::{Place, Role};

/// Why a row can't be moved as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The column with the value that is wrong.
    pub column: String,
    /// What is wrong, with the value: `value 3 of v is NaN`.
    pub what: String,
    /// Where else the row stands, in the source's own words: `row 12 of the file`.
    pub at: Option<String>,
    /// Columns that can't hold the row's value. Others stand there, which mean nothing.
    pub lost: Vec<String>,
    /// What could be done about it, beside correcting the row.
    pub help: Option<&'static str>,
}

/// Bad rows of one split, by their numbers in it, counted from 0.
pub type Misfits = BTreeMap<u64, Misfit>;

/// Longest value that is shown, in characters.
const LONGEST: usize = 60;

impl Misfit {
    /// A value that stands in its column, and that the target can't take.
    pub fn refused(column: impl Into<String>, what: String) -> Misfit {
        Misfit { column: column.into(), what, at: None, lost: Vec::new(), help: None }
    }

    /// A value that its column can't hold.
    pub fn lost(column: impl Into<String>, what: String) -> Misfit {
        let column = column.into();
        Misfit { lost: vec![column.clone()], ..Misfit::refused(column, what) }
    }

    /// Adds one to others, by the number of its row. What was wrong first is what is told.
    pub fn add_to<Row: Ord>(self, all: &mut BTreeMap<Row, Misfit>, row: Row) {
        match all.entry(row) {
            Entry::Vacant(entry) => drop(entry.insert(self)),
            Entry::Occupied(mut entry) => entry.get_mut().lost.extend(self.lost),
        }
    }

    /// The error of a run that such a row stops: row `n` of the batch `rows`, which comes from
    /// `place`.
    pub fn error(&self, rows: &RecordBatch, n: usize, place: &Place) -> Error {
        let what = match self.id(rows, n) {
            Some(id) => format!("Row with id {id}: {}", self.what),
            None => format!("A row can't be moved: {}", self.what),
        };
        let error = if self.lost.is_empty() { Error::target(what) } else { Error::source(what) };
        let error = match &self.at {
            // The reader adds the table and the split.
            Some(at) => error.at(at),
            None => {
                let row = place.rows().nth(n).unwrap_or(u64::MAX);
                error.at(format!("table {}, split {}, row {row}", place.table, place.split))
            }
        };
        let mut help = "correct or remove the row in the source, ".to_owned();
        if let Some(other) = self.help {
            help.push_str(&format!("{other}, "));
        }
        error.help(help + "or put such rows aside with `on_bad_row: reject` below `run`")
    }

    /// The id of the row, for people; none where it is what is wrong.
    pub fn id(&self, rows: &RecordBatch, n: usize) -> Option<String> {
        let schema = rows.schema();
        let field = schema.fields().iter().find(|field| Role::of(field) == Role::Id)?;
        if self.lost.contains(field.name()) {
            return None;
        }
        shown_id(rows, n)
    }
}

/// The id of row `n`, for people.
pub fn shown_id(rows: &RecordBatch, n: usize) -> Option<String> {
    let schema = rows.schema();
    let index = schema.fields().iter().position(|field| Role::of(field) == Role::Id)?;
    Some(shown(rows.column(index), n))
}

/// A column with whatever lies where it was null: for rows that are marked.
///
/// # Errors
/// Never, for columns of plain values, texts and lists of them.
pub fn without_nulls(values: &ArrayRef) -> Result<ArrayRef> {
    let data = values.to_data().into_builder().nulls(None).build();
    let failed = |error| Error::internal("A column can't be without nulls").because(error);
    data.map(make_array).map_err(failed)
}

/// A value as people read it, shortened where it is long.
pub fn shown(values: &dyn Array, row: usize) -> String {
    if values.is_null(row) {
        return "null".to_owned();
    }
    let text = array_value_to_string(values, row).unwrap_or_else(|_| "?".to_owned());
    let text = match values.data_type() {
        arrow::datatypes::DataType::Utf8 | arrow::datatypes::DataType::LargeUtf8 => {
            format!("{text:?}")
        }
        _ => text,
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain("…".chars()).collect()
}
