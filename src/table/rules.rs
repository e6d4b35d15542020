//! Which rows a target takes. A sink says it when it plans; the engine sorts out the others.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Float16Type, Float32Type, UInt16Type};
use arrow_array::{FixedSizeListArray, ListArray, RecordBatch, StringArray};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::table::misfit::shown;
use crate::table::{Misfit, first_non_finite_f16, first_non_finite_f32};

/// Which rows a target takes: one rule a column, in the order of the table's. Without any it takes
/// them all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowRules(Vec<ColumnRule>);

/// What a target takes in one column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnRule {
    /// The column's name at the target, for messages.
    pub name: String,
    /// It may be null.
    pub nulls: bool,
    /// The elements of its vectors must be numbers, and finite.
    pub finite: bool,
    /// Longest text, also of those in lists.
    pub max_length: Option<usize>,
    /// Most elements of a list.
    #[serde(default)]
    pub max_elements: Option<usize>,
    /// The length of a text is counted in characters, not in bytes.
    pub in_characters: bool,
    /// Its texts must have no zero byte.
    pub no_zero_bytes: bool,
    /// Its texts must be JSON.
    pub json: bool,
}

impl ColumnRule {
    /// A column that takes whatever its type can hold.
    pub fn any(name: &str) -> ColumnRule {
        ColumnRule { name: name.to_owned(), nulls: true, ..ColumnRule::default() }
    }
}

impl RowRules {
    /// The rules of all columns.
    pub fn new(columns: Vec<ColumnRule>) -> RowRules {
        RowRules(columns)
    }

    /// The rows that break a rule, by their numbers in the batch, each with the first rule that it
    /// breaks. Good rows cost one look, which processors do many values at a time.
    pub fn misfits(&self, rows: &RecordBatch) -> BTreeMap<usize, Misfit> {
        let mut all = BTreeMap::new();
        let schema = rows.schema();
        for ((rule, values), field) in self.0.iter().zip(rows.columns()).zip(schema.fields()) {
            rule.look(values, |row, what| {
                all.entry(row).or_insert_with(|| Misfit::refused(field.name(), what));
            });
        }
        all
    }
}

impl ColumnRule {
    fn look(&self, values: &ArrayRef, mut bad: impl FnMut(usize, String)) {
        if !self.nulls && values.null_count() > 0 {
            for row in (0..values.len()).filter(|row| values.is_null(*row)) {
                bad(row, format!("{} is null, and the target takes no nulls", self.name));
            }
        }
        if let Some(lists) = values.as_list_opt::<i32>() {
            return self.look_at_lists(lists, bad);
        }
        match values.as_fixed_size_list_opt() {
            Some(vectors) if self.finite => self.look_at_vectors(vectors, bad),
            _ if self.max_length.is_some() || self.json || self.no_zero_bytes => {
                self.look_at_texts(values, bad)
            }
            _ => {}
        }
    }

    fn look_at_vectors(&self, vectors: &FixedSizeListArray, mut bad: impl FnMut(usize, String)) {
        let elements = vectors.values();
        let dim = usize::try_from(vectors.value_length()).unwrap_or(1).max(1);
        // The first bad element, and a way to tell of any one whether it is.
        let (first, is_bad): (Option<usize>, Box<dyn Fn(usize) -> bool>) = if elements.null_count()
            > 0
        {
            (Some(0), Box::new(|at| elements.is_null(at)))
        } else if let Some(floats) = elements.as_primitive_opt::<Float32Type>() {
            let floats = floats.values();
            (first_non_finite_f32(floats), Box::new(|at| !floats[at].is_finite()))
        } else if let Some(halves) = elements.as_primitive_opt::<Float16Type>() {
            let halves = halves.values();
            (first_non_finite_f16(halves), Box::new(|at| !halves[at].is_finite()))
        } else if let Some(upper_halves) = elements.as_primitive_opt::<UInt16Type>() {
            let is_bad = |bits: &u16| bits & 0x7f80 == 0x7f80;
            let upper_halves = upper_halves.values();
            (upper_halves.iter().position(is_bad), Box::new(move |at| is_bad(&upper_halves[at])))
        } else {
            return;
        };
        let Some(first) = first else { return };
        for row in first / dim..vectors.len() {
            let mut of_row = row * dim..(row + 1) * dim;
            if let Some(at) = of_row.find(|at| is_bad(*at)).filter(|_| vectors.is_valid(row)) {
                let value = element(elements, at);
                bad(row, format!("value {} of {} is {value}", at % dim, self.name));
            }
        }
    }

    /// Lists of values, and sparse vectors, which are lists of pairs.
    fn look_at_lists(&self, lists: &ListArray, mut bad: impl FnMut(usize, String)) {
        let elements = lists.values();
        let weights = elements.as_struct_opt().and_then(|pairs| pairs.column_by_name("value"));
        let weights = weights.and_then(|weights| weights.as_primitive_opt::<Float32Type>());
        let weights = weights.filter(|_| self.finite);
        let texts = elements.as_string_opt::<i32>().filter(|_| self.max_length.is_some());
        let most = self.max_elements.unwrap_or(usize::MAX);
        let offset = |row: usize| usize::try_from(lists.value_offsets()[row]).unwrap_or(0);
        for row in (0..lists.len()).filter(|row| lists.is_valid(*row)) {
            let range = offset(row)..offset(row + 1);
            if range.len() > most {
                bad(
                    row,
                    format!("{} has {} values, the target takes {most}", self.name, range.len()),
                );
                continue;
            }
            let what = range.clone().find_map(|at| {
                if elements.is_null(at) {
                    return Some("null, and the target takes no nulls in lists".to_owned());
                }
                if let Some(weights) = weights.filter(|weights| !weights.value(at).is_finite()) {
                    return Some(weights.value(at).to_string());
                }
                self.wrong_text(texts?, at)
            });
            if let Some(what) = what {
                bad(row, format!("a value of {} is {what}", self.name));
            }
        }
    }

    fn wrong_text(&self, texts: &StringArray, at: usize) -> Option<String> {
        let (text, max) = (texts.value(at), self.max_length?);
        let (len, unit) = match self.in_characters {
            true => (text.chars().count(), "characters"),
            false => (text.len(), "bytes"),
        };
        let value = || shown(texts, at);
        (len > max).then(|| format!("{len} {unit} long, the target takes {max}: {}", value()))
    }

    fn look_at_texts(&self, values: &ArrayRef, mut bad: impl FnMut(usize, String)) {
        let Some(texts) = values.as_string_opt::<i32>() else { return };
        let max = self.max_length.unwrap_or(usize::MAX);
        for row in (0..texts.len()).filter(|row| texts.is_valid(*row)) {
            let text = texts.value(row);
            let (len, unit) = match self.in_characters {
                // No text has more characters than bytes.
                true if text.len() > max => (text.chars().count(), "characters"),
                _ => (text.len(), "bytes"),
            };
            if len > max {
                bad(
                    row,
                    format!(
                        "{} is {len} {unit} long, the target takes {max}: {}",
                        self.name,
                        shown(texts, row)
                    ),
                );
            } else if self.no_zero_bytes && text.contains('\0') {
                let value = shown(texts, row);
                bad(row, format!("{} has a zero byte, at which it would end: {value}", self.name));
            } else if self.json
                && let Err(error) = serde_json::from_str::<IgnoredAny>(text)
            {
                let value = shown(texts, row);
                bad(row, format!("{} is not JSON: {error}: {value}", self.name));
            }
        }
    }
}

/// An element of a vector as people read it.
fn element(elements: &ArrayRef, at: usize) -> String {
    match elements.as_primitive_opt::<UInt16Type>() {
        Some(upper) if upper.is_valid(at) => {
            f32::from_bits(u32::from(upper.value(at)) << 16).to_string()
        }
        _ => shown(elements, at),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};
    use arrow_array::{FixedSizeListArray, Float32Array, Int64Array, StringArray};
    use half::f16;

    use super::*;
    use crate::table::{Place, VectorColumn, VectorType, id_field, vector_field};

    fn rules() -> RowRules {
        let any = ColumnRule::any;
        RowRules::new(vec![
            ColumnRule { nulls: false, ..any("id") },
            ColumnRule { finite: true, nulls: false, ..any("v") },
            ColumnRule { max_length: Some(5), nulls: false, ..any("t") },
        ])
    }

    fn rows(vector: Vec<f32>, texts: [Option<&str>; 2]) -> RecordBatch {
        let column = VectorColumn { vector_type: VectorType::Float32, dim: 2 };
        let fields = vec![
            id_field("id", DataType::Int64),
            vector_field("v", column),
            Field::new("t", DataType::Utf8, true),
        ];
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![10, 11])),
            Arc::new(FixedSizeListArray::new(item, 2, Arc::new(Float32Array::from(vector)), None)),
            Arc::new(StringArray::from(texts.to_vec())),
        ];
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    fn found(rows: &RecordBatch) -> Vec<(usize, String)> {
        rules().misfits(rows).into_iter().map(|(row, misfit)| (row, misfit.what)).collect()
    }

    #[test]
    fn every_bad_row_is_found_once_and_named_by_place_and_id() {
        let rows = rows(vec![f32::INFINITY, 2.0, 3.0, f32::NAN], [None, Some("b")]);
        let expected = [(0, "value 0 of v is inf"), (1, "value 1 of v is NaN")];
        assert_eq!(found(&rows), expected.map(|(row, what)| (row, what.to_owned())));
        // A slice counts from its own first row.
        let tail = rows.slice(1, 1);
        assert_eq!(found(&tail), [(0, "value 1 of v is NaN".to_owned())]);
        let misfit = rules().misfits(&tail).remove(&0).unwrap();
        let error = misfit.error(&tail, 0, &Place::new("t", 3, 101)).to_string();
        assert!(
            error.starts_with(
                "Row with id 11: value 1 of v is NaN\n  where: table t, split 3, row 101\n"
            ),
            "{error}"
        );
    }

    #[test]
    fn text_is_measured_in_bytes_or_characters_and_nulls_are_found() {
        let long = rows(vec![0.0; 4], [Some("abcde"), Some("日本")]);
        assert_eq!(
            found(&long),
            [(1, "t is 6 bytes long, the target takes 5: \"日本\"".to_owned())]
        );
        let mut characters = rules();
        characters.0[2].in_characters = true;
        assert!(characters.misfits(&long).is_empty());
        let null = rows(vec![0.0; 4], [None, Some("a")]);
        assert_eq!(found(&null)[0].1, "t is null, and the target takes no nulls");
        assert!(found(&rows(vec![0.0; 4], [Some(""), Some("abcde")])).is_empty());
        assert!(RowRules::default().misfits(&null).is_empty());
    }

    #[test]
    fn halves_of_both_kinds_are_looked_at() {
        let list = |values: ArrayRef| {
            let item = Arc::new(Field::new("item", values.data_type().clone(), false));
            Arc::new(FixedSizeListArray::new(item, 1, values, None)) as ArrayRef
        };
        let bad = |values: ArrayRef| {
            let mut rows = Vec::new();
            let rule = ColumnRule { finite: true, ..ColumnRule::any("v") };
            rule.look(&list(values), |row, what| rows.push((row, what)));
            rows
        };
        let halves = arrow_array::Float16Array::from(vec![f16::ONE, f16::NAN]);
        assert_eq!(bad(Arc::new(halves)), [(1, "value 0 of v is NaN".to_owned())]);
        let upper = arrow_array::UInt16Array::from(vec![0xff80, 0x3f80]);
        assert_eq!(bad(Arc::new(upper)), [(0, "value 0 of v is -inf".to_owned())]);
    }
}
