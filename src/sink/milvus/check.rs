//! What the server fails to check in rows, or would say in worse words.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Float16Type, Float32Type, Int64Type, UInt16Type};
use arrow_array::RecordBatch;
use serde::de::IgnoredAny;

use crate::error::{Error, Result};
use crate::milvus::v2::field::{MAX_JSON, is_vector, parameter};
use crate::milvus::v2::proto::schema::{DataType, FieldSchema};
use crate::sink::server::id_words;
use crate::table::{Place, first_non_finite_f16, first_non_finite_f32};

/// The checks of one table's rows. Decided once per table.
#[derive(Debug, Clone)]
pub(super) struct Checks {
    /// Index of the id column.
    id: usize,
    /// One entry a column.
    columns: Vec<Check>,
    lite: bool,
}

#[derive(Debug, Clone)]
struct Check {
    field: String,
    data_type: DataType,
    nulls: bool,
    /// Longest text: in bytes, or in characters on Milvus Lite.
    max_length: Option<usize>,
    count_chars: bool,
}

impl Checks {
    /// The checks of fields that take the columns in order.
    pub(super) fn new(fields: &[FieldSchema], id: usize, lite: bool) -> Checks {
        let columns = fields
            .iter()
            .map(|field| Check {
                field: field.name.clone(),
                data_type: field.data_type(),
                nulls: field.nullable,
                max_length: match field.data_type() {
                    DataType::VarChar => parameter(field, "max_length"),
                    DataType::Json => Some(MAX_JSON),
                    _ => None,
                },
                count_chars: lite && field.data_type() == DataType::VarChar,
            })
            .collect();
        Checks { id, columns, lite }
    }

    /// Looks at every row.
    ///
    /// # Errors
    /// For the first row that can't be sent as it is, by its place in the source and its id.
    pub(super) fn check(&self, rows: &RecordBatch, place: &Place) -> Result<()> {
        for (check, values) in self.columns.iter().zip(rows.columns()) {
            if let Some((row, what)) = check.first_bad(values) {
                let id = id_words(rows.column(self.id), row);
                let at = place.row(row as u64);
                return Err(Error::target(format!("Row with id {id}: {what}"))
                    .at(format!("table {}, split {}, row {at}", place.table, place.split))
                    .help("correct or remove the row in the source"));
            }
        }
        self.tell_of_largest_id(rows.column(self.id), place);
        Ok(())
    }

    /// Says so when a row has the largest id there is: Milvus 2.3.5 takes and counts it, but no
    /// query gives it back, and a search that asks for fields fails when it finds it. (Milvus Lite
    /// gives it back.)
    fn tell_of_largest_id(&self, ids: &ArrayRef, place: &Place) {
        let Some(ids) = ids.as_primitive_opt::<Int64Type>().filter(|_| !self.lite) else { return };
        if ids.values().contains(&i64::MAX) {
            tracing::warn!(
                table = %place.table,
                "A row has the id {}, which Milvus counts but does not give back: searches that ask for fields fail when they find it; give the row another id",
                i64::MAX
            );
        }
    }
}

impl Check {
    /// The first row that can't be sent, and why.
    fn first_bad(&self, values: &ArrayRef) -> Option<(usize, String)> {
        if !self.nulls
            && let Some(nulls) = values.nulls().filter(|nulls| nulls.null_count() > 0)
        {
            let row = (0..nulls.len()).find(|row| nulls.is_null(*row))?;
            return Some((row, format!("{} is null, and the field takes no nulls", self.field)));
        }
        if is_vector(self.data_type) {
            return self.first_bad_vector(values);
        }
        let max = self.max_length?;
        let texts = values.as_string_opt::<i32>()?;
        (0..texts.len()).filter(|row| texts.is_valid(*row)).find_map(|row| {
            let text = texts.value(row);
            let (len, unit) = match self.count_chars {
                true => (text.chars().count(), "characters"),
                false => (text.len(), "bytes"),
            };
            if len > max {
                return Some((
                    row,
                    format!("{} is {len} {unit} long, the field takes {max}", self.field),
                ));
            }
            if self.data_type == DataType::Json
                && let Err(error) = serde_json::from_str::<IgnoredAny>(text)
            {
                return Some((row, format!("{} is not JSON: {error}", self.field)));
            }
            None
        })
    }

    fn first_bad_vector(&self, values: &ArrayRef) -> Option<(usize, String)> {
        let lists = values.as_fixed_size_list_opt()?;
        let elements = lists.values();
        if elements.null_count() > 0 {
            let at = (0..elements.len()).find(|at| elements.is_null(*at))?;
            return Some(self.bad_value(lists.value_length(), at, "null".to_owned()));
        }
        let (at, value) = if let Some(floats) = elements.as_primitive_opt::<Float32Type>() {
            let at = first_non_finite_f32(floats.values())?;
            (at, floats.value(at).to_string())
        } else if let Some(halves) = elements.as_primitive_opt::<Float16Type>() {
            let at = first_non_finite_f16(halves.values())?;
            (at, halves.value(at).to_string())
        } else if self.data_type == DataType::BFloat16Vector {
            let halves = elements.as_primitive_opt::<UInt16Type>()?;
            let at = halves.values().iter().position(|bits| bits & 0x7f80 == 0x7f80)?;
            (at, f32::from_bits(u32::from(halves.value(at)) << 16).to_string())
        } else {
            return None;
        };
        Some(self.bad_value(lists.value_length(), at, value))
    }

    fn bad_value(&self, list_len: i32, at: usize, value: String) -> (usize, String) {
        let dim = usize::try_from(list_len).unwrap_or(1).max(1);
        (at / dim, format!("value {} of {} is {value}", at % dim, self.field))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType as Arrow, Field, Schema};
    use arrow_array::{FixedSizeListArray, Float32Array, Int64Array, StringArray};

    use super::*;
    use crate::milvus::v2::field::field_schema;
    use crate::table::{VectorColumn, VectorType, id_field, vector_field};

    fn rows(vector: Vec<f32>, text: [Option<&str>; 2]) -> (Checks, RecordBatch) {
        let column = VectorColumn { vector_type: VectorType::Float32, dim: 2 };
        let fields = vec![
            id_field("id", Arrow::Int64),
            vector_field("v", column),
            Field::new("t", Arrow::Utf8, true),
        ];
        let mut schemas: Vec<_> =
            fields.iter().map(|field| field_schema(field, false).unwrap()).collect();
        schemas[2].type_params[0].value = "5".to_owned();
        let item = Arc::new(Field::new("item", Arrow::Float32, false));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![10, 11])),
            Arc::new(FixedSizeListArray::new(item, 2, Arc::new(Float32Array::from(vector)), None)),
            Arc::new(StringArray::from(text.to_vec())),
        ];
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        (Checks::new(&schemas, 0, false), batch)
    }

    fn message(checks: &Checks, batch: &RecordBatch) -> String {
        let place = Place::new("t", 3, 100);
        checks.check(batch, &place).unwrap_err().to_string()
    }

    #[test]
    fn a_bad_row_is_named_by_place_and_id() {
        let (checks, batch) = rows(vec![1.0, 2.0, 3.0, f32::NAN], [Some("a"), Some("b")]);
        assert_eq!(
            message(&checks, &batch),
            "Row with id 11: value 1 of v is NaN\n  where: table t, split 3, row 101\n  help: correct or remove the row in the source"
        );
        // A slice counts from its own first row.
        let message = message(&checks, &batch.slice(1, 1));
        assert!(
            message.contains("id 11: value 1 of v") && message.contains("row 100"),
            "{message}"
        );
    }

    #[test]
    fn text_is_measured_in_bytes_and_nulls_are_found() {
        let (checks, batch) = rows(vec![0.0; 4], [Some("abcde"), Some("日本")]);
        assert!(message(&checks, &batch).contains("t is 6 bytes long, the field takes 5"));
        let (checks, batch) = rows(vec![0.0; 4], [None, Some("a")]);
        assert!(message(&checks, &batch).contains("id 10: t is null"));
        let (checks, batch) = rows(vec![0.0; 4], [Some(""), Some("abcde")]);
        let place = Place::new("t", 0, 0);
        assert!(checks.check(&batch, &place).is_ok());
    }
}
