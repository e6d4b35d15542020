//! Rows of an int64 id and a float32 vector, and the insert requests for them: what benches send and write.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Int64Array, RecordBatch};
use vecpipe::milvus::v2::insert::{InsertColumn, InsertHead};
use vecpipe::milvus::v2::proto::schema::DataType as Milvus;

/// A batch with the columns `id` and `vector`.
pub fn batch(ids: Int64Array, values: Float32Array, dim: usize) -> RecordBatch {
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let dim = i32::try_from(dim).unwrap();
    let vectors = FixedSizeListArray::new(item, dim, Arc::new(values), None);
    let columns: [(&str, ArrayRef); 2] = [("id", Arc::new(ids)), ("vector", Arc::new(vectors))];
    let field =
        |(name, column): &(&str, ArrayRef)| Field::new(*name, column.data_type().clone(), false);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.map(|(_, column)| column).to_vec()).unwrap()
}

/// What requests for such batches begin with.
pub fn head(collection: &str, dim: usize) -> InsertHead {
    let column = |index, name: &str, data_type, dim| InsertColumn {
        index,
        name: name.to_owned(),
        data_type,
        element_type: Milvus::None,
        dynamic: false,
        flags: false,
        dim,
    };
    InsertHead {
        database: String::new(),
        collection: collection.to_owned(),
        partition: String::new(),
        columns: vec![
            column(0, "id", Milvus::Int64, 0),
            column(1, "vector", Milvus::FloatVector, dim),
        ],
    }
}
