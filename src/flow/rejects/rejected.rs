//! Rows that were taken out of a batch, and how they are written down.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::compute::{nullif, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray, UInt32Array, UInt64Array};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::flow::Batch;
use crate::table::Misfit;

/// Rows that can't be moved as they are.
#[derive(Debug)]
pub struct Rejected {
    rows: RecordBatch,
    table: Arc<str>,
    split: u32,
    /// What is wrong with each, by its number within the split.
    misfits: Vec<(u64, Misfit)>,
}

/// One rejected row, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectedRow {
    /// Its split.
    pub split: u32,
    /// Its number in the split, counted from 0.
    pub row: u64,
    /// Its id as it left the transforms; none where the id is what is wrong.
    pub id: Option<String>,
    /// What is wrong.
    pub reason: String,
}

impl Rejected {
    pub(super) fn of(batch: &Batch, bad: BTreeMap<usize, Misfit>) -> Result<Rejected> {
        let which = bad.keys().map(|row| *row as u64);
        let rows = take_record_batch(&batch.rows, &UInt64Array::from_iter_values(which))
            .map_err(|error| Error::internal("Cannot take out rows").because(error))?;
        let numbers = batch.place.rows().zip(0..batch.rows.num_rows());
        let mut bad = bad;
        let misfits = numbers.filter_map(|(number, row)| Some((number, bad.remove(&row)?)));
        let misfits = misfits.collect();
        Ok(Rejected {
            rows,
            table: Arc::clone(&batch.place.table),
            split: batch.place.split,
            misfits,
        })
    }

    /// How many they are.
    pub fn count(&self) -> u64 {
        self.misfits.len() as u64
    }

    /// Their numbers within their split.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.misfits.iter().map(|(number, _)| *number)
    }

    /// The first few of them.
    pub fn sample(&self, most: usize) -> Vec<RejectedRow> {
        let rows = self.misfits.iter().enumerate().take(most);
        let row = |(n, (number, misfit)): (usize, &(u64, Misfit))| RejectedRow {
            split: self.split,
            row: *number,
            id: misfit.id(&self.rows, n),
            reason: reason(misfit),
        };
        rows.map(row).collect()
    }

    /// The rows as their file has them: the columns as they leave the transforms, with null where a
    /// column can't hold the value, and five more.
    pub(super) fn to_file(&self) -> Result<RecordBatch> {
        let schema = file_schema(&self.rows.schema());
        let failed = |error| Error::internal("Rejected rows do not fit their file").because(error);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
        for (values, field) in self.rows.columns().iter().zip(self.rows.schema().fields()) {
            let lost = self.misfits.iter().map(|(_, misfit)| misfit.lost.contains(field.name()));
            let lost: BooleanArray = lost.map(Some).collect();
            columns.push(match lost.true_count() {
                0 => Arc::clone(values),
                _ => nullif(values, &lost).map_err(failed)?,
            });
        }
        let misfits = || self.misfits.iter();
        let texts = |texts: &mut dyn Iterator<Item = String>| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(texts))
        };
        columns.push(texts(&mut misfits().map(|(_, misfit)| reason(misfit))));
        columns.push(texts(&mut misfits().map(|(_, misfit)| misfit.column.clone())));
        columns.push(texts(&mut misfits().map(|_| self.table.to_string())));
        columns.push(Arc::new(UInt32Array::from_iter_values(misfits().map(|_| self.split))));
        columns.push(Arc::new(UInt64Array::from_iter_values(self.numbers())));
        RecordBatch::try_new(schema, columns).map_err(failed)
    }
}

fn reason(misfit: &Misfit) -> String {
    match &misfit.at {
        Some(at) => format!("{} ({at})", misfit.what),
        None => misfit.what.clone(),
    }
}

/// The columns of a file of rejected rows. Anything may be null: that may be what is wrong.
fn file_schema(table: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<Field> =
        table.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    for (name, data_type) in [
        ("reject_reason", DataType::Utf8),
        ("reject_column", DataType::Utf8),
        ("reject_table", DataType::Utf8),
        ("reject_split", DataType::UInt32),
        ("reject_row", DataType::UInt64),
    ] {
        let mut name = name.to_owned();
        while fields.iter().any(|field| *field.name() == name) {
            name.push('_');
        }
        fields.push(Field::new(name, data_type, false));
    }
    Arc::new(Schema::new_with_metadata(fields, table.metadata().clone()))
}
