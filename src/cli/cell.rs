//! One value of a record batch, short enough for a table.

use arrow::datatypes::{DataType, Field};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type, UInt8Type, UInt16Type};
use arrow_array::{Array, ArrayRef};
use half::bf16;

use crate::cli::layout::Signs;
use crate::table::{VECTOR_TYPE, VectorType};

/// Values of a vector that are shown; of shorter ones, all.
const VALUES: usize = 3;
/// Characters of a text that are shown.
const CHARACTERS: usize = 40;

/// Shows row number `row` of `column`.
pub(super) fn show(field: &Field, column: &ArrayRef, row: usize, signs: Signs) -> String {
    if column.is_null(row) {
        return "null".to_owned();
    }
    let kind = field.metadata().get(VECTOR_TYPE).map(String::as_str);
    let vector = match column.data_type() {
        DataType::FixedSizeList(..) => column.as_fixed_size_list().value(row),
        DataType::List(_) => column.as_list::<i32>().value(row),
        DataType::LargeList(_) => column.as_list::<i64>().value(row),
        _ => return shorten(scalar(column, row), signs),
    };
    let binary = kind == Some(VectorType::Binary.name());
    let brain = kind == Some(VectorType::BFloat16.name());
    // One more than is shown is not worth leaving out.
    let shown = if vector.len() > VALUES + 1 { VALUES } else { vector.len() };
    let mut values: Vec<_> = (0..shown).map(|n| value(&vector, n, binary, brain)).collect();
    if vector.len() > shown {
        let (count, unit) =
            if binary { (vector.len() * 8, "bits") } else { (vector.len(), "values") };
        values.push(format!("{} {count} {unit}", signs.ellipsis));
    }
    format!("[{}]", values.join(if binary { " " } else { ", " }))
}

fn value(vector: &ArrayRef, n: usize, binary: bool, brain: bool) -> String {
    if vector.is_null(n) {
        return "null".to_owned();
    }
    match vector.data_type() {
        DataType::Float16 => float(vector.as_primitive::<Float16Type>().value(n).to_f64()),
        DataType::Float32 => float(f64::from(vector.as_primitive::<Float32Type>().value(n))),
        DataType::Float64 => float(vector.as_primitive::<Float64Type>().value(n)),
        DataType::UInt16 if brain => {
            float(bf16::from_bits(vector.as_primitive::<UInt16Type>().value(n)).to_f64())
        }
        DataType::UInt8 if binary => format!("{:08b}", vector.as_primitive::<UInt8Type>().value(n)),
        _ => scalar(vector, n),
    }
}

/// Four digits behind the point, where they say something.
fn float(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    if !(1e-3..1e6).contains(&size) {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn scalar(column: &dyn Array, row: usize) -> String {
    let options = FormatOptions::default().with_display_error(true);
    match ArrayFormatter::try_new(column, &options) {
        Ok(formatter) => formatter.value(row).to_string(),
        Err(_) => format!("({})", column.data_type()),
    }
}

fn shorten(text: String, signs: Signs) -> String {
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}{}", &text[..end], signs.ellipsis),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{FixedSizeListArray, Float32Array, StringArray, UInt8Array, UInt16Array};

    use super::*;
    use crate::table::{VectorColumn, vector_field};

    const SIGNS: Signs = Signs { times: "x", ellipsis: "..." };

    fn vector(vector_type: VectorType, dim: usize, values: ArrayRef) -> String {
        let field = vector_field("v", VectorColumn { vector_type, dim });
        let DataType::FixedSizeList(item, len) = field.data_type() else { panic!("a list") };
        let column: ArrayRef =
            Arc::new(FixedSizeListArray::new(Arc::clone(item), *len, values, None));
        show(&field, &column, 0, SIGNS)
    }

    #[test]
    fn vectors_are_shortened() {
        let floats = Arc::new(Float32Array::from(vec![0.123_456, -0.5, 1e-9, 3.0, 4.0]));
        assert_eq!(
            vector(VectorType::Float32, 5, floats),
            "[0.1235, -0.5, 1.000e-9, ... 5 values]"
        );
        let short = Arc::new(Float32Array::from(vec![f32::NAN, 0.0, 1234.5, 2e9]));
        assert_eq!(vector(VectorType::Float32, 4, short), "[NaN, 0, 1234.5, 2.000e9]");
        let bits = Arc::new(UInt8Array::from(vec![1, 128]));
        assert_eq!(vector(VectorType::Binary, 16, bits), "[00000001 10000000]");
        let brain = Arc::new(UInt16Array::from(vec![bf16::from_f32(1.5).to_bits()]));
        assert_eq!(vector(VectorType::BFloat16, 1, brain), "[1.5]");
    }

    #[test]
    fn texts_are_shortened() {
        let field = Field::new("text", DataType::Utf8, true);
        let column: ArrayRef = Arc::new(StringArray::from(vec![Some("é".repeat(50)), None]));
        assert_eq!(show(&field, &column, 0, SIGNS), format!("{}...", "é".repeat(40)));
        assert_eq!(show(&field, &column, 1, SIGNS), "null");
    }
}
