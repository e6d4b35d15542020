//! Ids of rows on their way to a server.

use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch};

use crate::error::{Error, Result};

/// The rows whose ids are not among `existing`, which are sorted.
pub(crate) fn without(rows: &RecordBatch, id: usize, existing: &ArrayRef) -> Result<RecordBatch> {
    let ids = rows.column(id);
    let keep: BooleanArray = if let (Some(ids), Some(existing)) =
        (ids.as_primitive_opt::<Int64Type>(), existing.as_primitive_opt::<Int64Type>())
    {
        let existing = existing.values();
        ids.values().iter().map(|id| Some(existing.binary_search(id).is_err())).collect()
    } else if let (Some(ids), Some(existing)) =
        (ids.as_string_opt::<i32>(), existing.as_string_opt::<i32>())
    {
        let existing: Vec<_> = existing.iter().flatten().collect();
        ids.iter().flatten().map(|id| Some(existing.binary_search(&id).is_err())).collect()
    } else {
        return Err(Error::internal("Ids of the target are of another type than the source's"));
    };
    filter_record_batch(rows, &keep)
        .map_err(|error| Error::internal("Cannot leave out rows").because(error))
}
