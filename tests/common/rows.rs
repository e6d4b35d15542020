//! Makes rows, and files of them.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{Field, Int64Type, Schema};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, FixedSizeListArray, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use vecpipe::flow::{Batch, Permit};
use vecpipe::table::Place;

/// Nullable columns of the given names, as other programs write them.
pub fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// A column of vectors as vecpipe has them, from their values in a row.
pub fn vectors(len: usize, values: ArrayRef) -> ArrayRef {
    let item = Arc::new(Field::new("item", values.data_type().clone(), false));
    Arc::new(FixedSizeListArray::new(item, i32::try_from(len).unwrap(), values, None))
}

/// A batch on its way from the first row of a table.
pub fn in_flight(rows: &RecordBatch) -> Batch {
    let place = Place::new("t", 0, 0);
    Batch { rows: rows.clone(), place, permit: Permit::free() }
}

/// Writes a Parquet file as another program would, in row groups of `group` rows.
pub fn write_parquet(path: &Path, rows: &RecordBatch, group: usize) {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties)).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

/// Old id, new id and table of each row of a file of `remap`, sorted.
pub fn id_pairs(path: &Path) -> Vec<(String, i64, String)> {
    let file = File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut rows = Vec::new();
    for batch in reader.map(Result::unwrap) {
        let names: Vec<_> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
        assert_eq!(names, ["old_id", "new_id", "table"]);
        let new = batch.column(1).as_primitive::<Int64Type>();
        let tables = batch.column(2).as_string::<i32>();
        for n in 0..batch.num_rows() {
            let old = arrow::util::display::array_value_to_string(batch.column(0), n).unwrap();
            rows.push((old, new.value(n), tables.value(n).to_owned()));
        }
    }
    rows.sort();
    rows
}
