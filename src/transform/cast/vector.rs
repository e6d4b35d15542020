//! Vectors of floats as vectors of other floats.

use std::sync::Arc;

use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field, Float16Type, Float32Type, UInt16Type};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, FixedSizeListArray, PrimitiveArray};
use half::{bf16, f16};

use super::Misfit;
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

/// Converts the vectors of one batch into the planned `field`.
pub(super) fn apply(convert: Convert, array: &ArrayRef, field: &Field) -> Result<ArrayRef, Misfit> {
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
    let out = match convert.to {
        VectorType::Float16 => {
            let halves: Vec<f16> = floats.iter().map(|v| f16::from_f32(*v)).collect();
            refuse_lost(floats, len, |at| halves[at].is_infinite())?;
            primitive::<Float16Type>(halves)
        }
        VectorType::BFloat16 => {
            let halves: Vec<bf16> = floats.iter().map(|v| bf16::from_f32(*v)).collect();
            refuse_lost(floats, len, |at| halves[at].is_infinite())?;
            primitive::<UInt16Type>(halves.iter().map(|v| v.to_bits()).collect())
        }
        _ => wide,
    };
    let DataType::FixedSizeList(element, list_len) = field.data_type() else { return Ok(out) };
    Ok(Arc::new(FixedSizeListArray::new(
        Arc::clone(element),
        *list_len,
        out,
        lists.nulls().cloned(),
    )))
}

fn primitive<T: arrow::datatypes::ArrowPrimitiveType>(values: Vec<T::Native>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), None))
}

/// A finite value that became infinite is lost; an infinity that stays one is not.
fn refuse_lost(
    floats: &[f32],
    len: usize,
    is_infinite: impl Fn(usize) -> bool,
) -> Result<(), Misfit> {
    let lost = floats.iter().enumerate().find(|(at, v)| v.is_finite() && is_infinite(*at));
    match lost {
        Some((at, value)) => Err(Misfit { row: at / len, value: value.to_string() }),
        None => Ok(()),
    }
}
