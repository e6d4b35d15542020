//! Vectors of floats as vectors of other floats.

use std::sync::Arc;

use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field, Float16Type, Float32Type, UInt16Type};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, FixedSizeListArray, PrimitiveArray};
use half::{bf16, f16};

use super::Lost;
use crate::table::{VECTOR_TYPE, VectorColumn, VectorType, vector_field};

/// From which float to which; anything else goes over float32.
#[derive(Debug, Clone, Copy)]
pub(super) struct Convert {
    from: VectorType,
    to: VectorType,
}

/// The column's new field, and the conversion unless it has the type already; `None` when its
/// vectors are no floats.
pub(super) fn plan(field: &Field, to: VectorType) -> Option<(Field, Option<Convert>)> {
    let DataType::FixedSizeList(element, len) = field.data_type() else { return None };
    let marked = field.metadata().get(VECTOR_TYPE).and_then(|name| name.parse().ok());
    let from = match element.data_type() {
        DataType::Float32 => VectorType::Float32,
        DataType::Float16 => VectorType::Float16,
        DataType::UInt16 if marked == Some(VectorType::BFloat16) => VectorType::BFloat16,
        _ => return None,
    };
    if from == to {
        return Some((field.clone(), None));
    }
    let dim = usize::try_from(*len).ok()?;
    let mut new = vector_field(field.name(), VectorColumn { vector_type: to, dim });
    new.set_nullable(field.is_nullable());
    Some((new, Some(Convert { from, to })))
}

/// Converts the vectors of one batch into the planned `field`. Gives the first value of each vector
/// that does not fit, too.
pub(super) fn apply(convert: Convert, array: &ArrayRef, field: &Field) -> (ArrayRef, Vec<Lost>) {
    let lists = array.as_fixed_size_list();
    let len = usize::try_from(lists.value_length()).unwrap_or(1).max(1);
    let rows = array.len();
    let values = lists.values().slice(lists.value_offset_at(0), rows * len);
    let wide: ArrayRef = match convert.from {
        VectorType::Float16 => {
            let halves = values.as_primitive::<Float16Type>().values();
            primitive::<Float32Type>(halves.iter().map(|v| v.to_f32()).collect())
        }
        VectorType::BFloat16 => {
            let halves = values.as_primitive::<UInt16Type>().values();
            primitive::<Float32Type>(halves.iter().map(|v| bf16::from_bits(*v).to_f32()).collect())
        }
        _ => values,
    };
    let floats = wide.as_primitive::<Float32Type>().values();
    let (out, lost) = match convert.to {
        VectorType::Float16 => {
            let halves: Vec<f16> = floats.iter().map(|v| f16::from_f32(*v)).collect();
            let lost = lost(floats, len, |at| halves[at].is_infinite());
            (primitive::<Float16Type>(halves), lost)
        }
        VectorType::BFloat16 => {
            let halves: Vec<bf16> = floats.iter().map(|v| bf16::from_f32(*v)).collect();
            let lost = lost(floats, len, |at| halves[at].is_infinite());
            (primitive::<UInt16Type>(halves.iter().map(|v| v.to_bits()).collect()), lost)
        }
        _ => (wide, Vec::new()),
    };
    let DataType::FixedSizeList(element, list_len) = field.data_type() else { return (out, lost) };
    let lists =
        FixedSizeListArray::new(Arc::clone(element), *list_len, out, lists.nulls().cloned());
    (Arc::new(lists), lost)
}

fn primitive<T: arrow::datatypes::ArrowPrimitiveType>(values: Vec<T::Native>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), None))
}

/// A finite value that became infinite is lost; an infinity that stays one is not.
fn lost(floats: &[f32], len: usize, is_infinite: impl Fn(usize) -> bool) -> Vec<Lost> {
    let is_lost = |(at, v): &(usize, &f32)| v.is_finite() && is_infinite(*at);
    let mut lost: Vec<Lost> = Vec::new();
    for (at, value) in floats.iter().enumerate().filter(is_lost) {
        let row = at / len;
        if lost.last().is_none_or(|last| last.row != row) {
            lost.push(Lost { row, value: value.to_string() });
        }
    }
    lost
}
