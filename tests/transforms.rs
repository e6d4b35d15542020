//! What transforms do to values, and what they refuse.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Float16Type, Float32Type, Schema, UInt16Type};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int32Array, Int64Array,
    RecordBatch,
};
use half::{bf16, f16};
use serde_json::{Value, json};
use vecpipe::flow::{Batch, Permit};
use vecpipe::table::{Place, TableSchema, VectorColumn, VectorType, id_field, vector_field};
use vecpipe::transform::{SplitContext, Transform, TransformConfig};

fn schema() -> TableSchema {
    let column = VectorColumn { vector_type: VectorType::Float32, dim: 2 };
    TableSchema::new(Arc::new(Schema::new(vec![
        id_field("id", DataType::Int64),
        vector_field("vector", column),
        Field::new("age", DataType::Int32, true),
        Field::new("score", DataType::Float64, true),
    ])))
    .unwrap()
}

fn rows(values: [f32; 4], ages: [Option<i32>; 2], scores: [Option<f64>; 2]) -> RecordBatch {
    let element = Arc::new(Field::new("item", DataType::Float32, false));
    let values = Arc::new(Float32Array::from(values.to_vec()));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![100, 101])),
        Arc::new(FixedSizeListArray::new(element, 2, values, None)),
        Arc::new(Int32Array::from(ages.to_vec())),
        Arc::new(Float64Array::from(scores.to_vec())),
    ];
    RecordBatch::try_new(schema().arrow().clone(), columns).unwrap()
}

fn plan(config: Value, input: &TableSchema) -> Result<Box<dyn Transform>, String> {
    let config: TransformConfig = serde_json::from_value(config).unwrap();
    config.into_factory().plan(input).map_err(|error| error.to_string())
}

fn apply(transform: &dyn Transform, rows: RecordBatch) -> Result<RecordBatch, String> {
    let place = Place::new("t", 2, 40);
    let batch = Batch { rows, place, permit: Permit::free() };
    let batch =
        transform.apply(batch, &SplitContext::default()).map_err(|error| error.to_string())?;
    Ok(batch.rows)
}

#[test]
fn select_keeps_columns_in_the_given_order() {
    let select = plan(json!({ "select": ["age", "vector", "id"] }), &schema()).unwrap();
    let out = apply(&*select, rows([0.0; 4], [Some(1), None], [None; 2])).unwrap();
    let names: Vec<_> = out.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["age", "vector", "id"]);
    assert_eq!(select.output().id_index(), 2);
}

#[test]
fn select_refuses_to_drop_the_id_or_the_vector() {
    let say = |columns: Value| plan(json!({ "select": columns }), &schema()).err().unwrap();
    assert_eq!(
        say(json!(["vector"])),
        "The id column `id` is not selected, but no table is without one\n  help: add `id` to the list"
    );
    assert!(say(json!(["id", "age"])).starts_with("The vector column `vector` is not selected"));
    assert!(say(json!(["id", "vector", "id"])).starts_with("Column `id` is selected twice"));
    assert_eq!(
        say(json!(["id", "vector", "agee"])),
        "There is no column `agee` to select\n  help: the columns here are id, vector, age, score"
    );
}

#[test]
fn vectors_are_rounded_to_the_nearest_half() {
    let values = [0.1, -65504.0, f32::INFINITY, 1e-9];
    let half = plan(json!({ "cast": { "vector": "float16" } }), &schema()).unwrap();
    assert_eq!(half.output().column().vector_type, VectorType::Float16);
    let out = apply(&*half, rows(values, [None; 2], [None; 2])).unwrap();
    let found = out["vector"].as_fixed_size_list().values().as_primitive::<Float16Type>().clone();
    assert_eq!(found.values(), &values.map(f16::from_f32)[..]);

    let back = plan(json!({ "cast": { "vector": "float32" } }), half.output()).unwrap();
    let out = apply(&*back, out).unwrap();
    let found = out["vector"].as_fixed_size_list().values().as_primitive::<Float32Type>().clone();
    assert_eq!(found.values(), &values.map(|v| f16::from_f32(v).to_f32())[..]);

    let brain = plan(json!({ "cast": { "vector": "bfloat16" } }), &schema()).unwrap();
    let out = apply(&*brain, rows(values, [None; 2], [None; 2])).unwrap();
    let found = out["vector"].as_fixed_size_list().values().as_primitive::<UInt16Type>().clone();
    assert_eq!(found.values(), &values.map(|v| bf16::from_f32(v).to_bits())[..]);
    assert_eq!(brain.output().column().vector_type, VectorType::BFloat16);
}

#[test]
fn a_value_out_of_range_names_its_row_and_id() {
    let half = plan(json!({ "cast": { "vector": "float16" } }), &schema()).unwrap();
    let error = apply(&*half, rows([0.0, 0.0, 0.0, 70000.0], [None; 2], [None; 2])).unwrap_err();
    assert!(
        error.starts_with("Row with id 101: the value 70000 in column `vector` does not fit"),
        "{error}"
    );
    assert!(error.contains("table t, split 2, row 41"), "{error}");

    let small = plan(json!({ "cast": { "age": "int8" } }), &schema()).unwrap();
    let out = apply(&*small, rows([0.0; 4], [Some(-128), None], [None; 2])).unwrap();
    assert_eq!((out["age"].data_type(), out["age"].null_count()), (&DataType::Int8, 1));
    let error = apply(&*small, rows([0.0; 4], [None, Some(128)], [None; 2])).unwrap_err();
    assert!(
        error.starts_with("Row with id 101: the value 128 in column `age` does not fit Int8"),
        "{error}"
    );
    assert!(error.contains("id 101"), "{error}");

    let single = plan(json!({ "cast": { "score": "float32" } }), &schema()).unwrap();
    let out = apply(&*single, rows([0.0; 4], [None; 2], [Some(0.1), Some(f64::INFINITY)])).unwrap();
    assert_eq!(out["score"].as_primitive::<Float32Type>().values(), &[0.1, f32::INFINITY]);
    let error = apply(&*single, rows([0.0; 4], [None; 2], [Some(1e39), None])).unwrap_err();
    assert!(error.contains("does not fit Float32") && error.contains("id 100"), "{error}");
}

#[test]
fn casts_that_make_no_sense_are_refused() {
    let say = |casts: Value| plan(json!({ "cast": casts }), &schema()).err().unwrap();
    assert!(say(json!({ "id": "int32" })).contains("ids stay as they are"));
    assert!(say(json!({ "vector": "int8" })).contains("float32, float16 and bfloat16"));
    assert!(say(json!({ "score": "int32" })).contains("integers become other integers"));
    assert!(say(json!({ "agee": "int32" })).starts_with("There is no column `agee` to cast"));
}
