//! Gives columns another type. A value that the new type can't hold is an error that names the
//! row, never another value in silence; floats are rounded to the nearest that fits.

mod scalar;
mod vector;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow_array::{ArrayRef, RecordBatch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::flow::{Batch, mark};
use crate::table::{Misfit, Role, TableSchema, VectorType, without_nulls};
use crate::transform::{SplitContext, Transform, TransformFactory};

/// Column name to its new type.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Config(BTreeMap<String, To>);

/// A type that columns can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum To {
    /// 8-bit signed integers.
    Int8,
    /// 16-bit signed integers.
    Int16,
    /// 32-bit signed integers.
    Int32,
    /// 64-bit signed integers.
    Int64,
    /// Half floats; for vectors.
    Float16,
    /// The upper half of 32-bit floats; for vectors.
    BFloat16,
    /// 32-bit floats; for vectors too.
    Float32,
    /// 64-bit floats.
    Float64,
}

impl To {
    /// The vector type of this name.
    fn vector(self) -> Option<VectorType> {
        match self {
            To::Float16 => Some(VectorType::Float16),
            To::BFloat16 => Some(VectorType::BFloat16),
            To::Float32 => Some(VectorType::Float32),
            _ => None,
        }
    }

    /// The scalar type of this name.
    fn scalar(self) -> Option<DataType> {
        match self {
            To::Int8 => Some(DataType::Int8),
            To::Int16 => Some(DataType::Int16),
            To::Int32 => Some(DataType::Int32),
            To::Int64 => Some(DataType::Int64),
            To::Float32 => Some(DataType::Float32),
            To::Float64 => Some(DataType::Float64),
            To::Float16 | To::BFloat16 => None,
        }
    }
}

impl TransformFactory for Config {
    fn kind(&self) -> &'static str {
        "cast"
    }

    fn plan(&self, input: &TableSchema) -> Result<Box<dyn Transform>> {
        let names: Vec<_> = input.arrow().fields().iter().map(|f| f.name().as_str()).collect();
        if let Some(unknown) = self.0.keys().find(|name| !names.contains(&name.as_str())) {
            return Err(Error::config(format!("There is no column `{unknown}` to cast"))
                .help(format!("the columns here are {}", names.join(", "))));
        }
        let mut fields = Vec::new();
        let mut steps = Vec::new();
        for field in input.arrow().fields() {
            let (field, step) = match self.0.get(field.name()) {
                Some(to) => plan_column(field, *to)?,
                None => (Arc::clone(field), Step::Keep),
            };
            fields.push(field);
            steps.push(step);
        }
        let arrow = Schema::new_with_metadata(fields, input.arrow().metadata().clone());
        Ok(Box::new(Cast { output: TableSchema::new(Arc::new(arrow))?, steps }))
    }
}

fn plan_column(field: &FieldRef, to: To) -> Result<(FieldRef, Step)> {
    let cannot = |what: &str| {
        Error::config(format!(
            "Column `{}` of type {} can't become {to:?}",
            field.name(),
            field.data_type()
        ))
        .help(what)
    };
    match Role::of(field) {
        Role::Id => Err(cannot("ids stay as they are")),
        Role::Vector => {
            let to = to.vector().ok_or_else(|| {
                cannot("a vector column becomes one of float32, float16 and bfloat16")
            })?;
            let (new, convert) = vector::plan(field, to)
                .ok_or_else(|| cannot("only vectors of floats can be cast"))?;
            Ok((Arc::new(new), convert.map_or(Step::Keep, Step::Vector)))
        }
        Role::Scalar => {
            let to = to.scalar().filter(|to| scalar::possible(field.data_type(), to));
            let to = to.ok_or_else(|| {
                cannot("integers become other integers, and numbers become float32 or float64")
            })?;
            let new: Field = field.as_ref().clone().with_data_type(to.clone());
            Ok((Arc::new(new), Step::Scalar(to)))
        }
    }
}

/// What happens to one column.
enum Step {
    Keep,
    Vector(vector::Convert),
    Scalar(DataType),
}

struct Cast {
    output: TableSchema,
    steps: Vec<Step>,
}

impl Transform for Cast {
    fn output(&self) -> &TableSchema {
        &self.output
    }

    fn apply(&self, mut batch: Batch, cx: &SplitContext) -> Result<Batch> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.steps.len());
        let mut misfits = BTreeMap::new();
        let fields = self.output.arrow().fields();
        for ((array, step), field) in batch.rows.columns().iter().zip(&self.steps).zip(fields) {
            let (cast, lost) = match step {
                Step::Keep => (Arc::clone(array), Vec::new()),
                Step::Vector(convert) => vector::apply(*convert, array, field),
                Step::Scalar(to) => scalar::apply(array, to)?,
            };
            columns.push(match lost.is_empty() || field.is_nullable() {
                true => cast,
                false => without_nulls(&cast)?,
            });
            for Lost { row, value } in lost {
                misfit(&value, field).add_to(&mut misfits, row);
            }
        }
        mark(&mut batch.place, &batch.rows, misfits, cx.on_bad_row)?;
        let rows = RecordBatch::try_new(Arc::clone(self.output.arrow()), columns)
            .map_err(|error| Error::internal("Cast columns do not fit").because(error))?;
        Ok(Batch { rows, ..batch })
    }
}

/// A value that does not fit, and its row within the batch.
struct Lost {
    row: usize,
    value: String,
}

fn misfit(value: &str, field: &Field) -> Misfit {
    let (name, data_type) = (field.name(), field.data_type());
    let what = format!("the value {value} in column `{name}` does not fit {data_type}");
    Misfit { help: Some("cast to a wider type"), ..Misfit::lost(name, what) }
}
