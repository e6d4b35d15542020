//! Vector and scalar types on real servers, and what the sink refuses before the server sees it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::support::*;
use arrow::datatypes::{DataType, Field, Float16Type, Int32Type, Int64Type, UInt8Type};
use arrow_array::cast::AsArray;
use arrow_array::*;
use half::f16;
use serde_json::json;
use vecpipe::error::Kind;
use vecpipe::milvus::v2::ServerVersion;
use vecpipe::sink::Decision;
use vecpipe::table::{Metric, TableSchema, VectorColumn, VectorType, id_field, vector_field};

fn of_type(vector_type: VectorType, dim: usize) -> TableSchema {
    TableSchema::of_vectors("id", "v", VectorColumn { vector_type, dim })
}

fn vectors(schema: &TableSchema, values: ArrayRef) -> RecordBatch {
    let DataType::FixedSizeList(item, len) = schema.vector().data_type() else { unreachable!() };
    let rows = values.len() / usize::try_from(*len).unwrap();
    let lists = FixedSizeListArray::new(Arc::clone(item), *len, values, None);
    let ids = Int64Array::from_iter_values(0..i64::try_from(rows).unwrap());
    RecordBatch::try_new(Arc::clone(schema.arrow()), vec![Arc::new(ids), Arc::new(lists)]).unwrap()
}

#[tokio::test]
async fn binary_vectors_arrive_bit_by_bit() {
    let server = Server::milvus();
    let schema = of_type(VectorType::Binary, 16);
    let values: Vec<u8> = (0..=255).collect();
    let batch = vectors(&schema, Arc::new(UInt8Array::from(values.clone())));
    for (metric, index) in [
        (Metric::Hamming, "AUTOINDEX"),
        (Metric::Jaccard, "AUTOINDEX"),
        (Metric::Superstructure, "BIN_FLAT"),
    ] {
        let name = server.fresh("binary").await;
        let mut table = table_of(&name, schema.clone());
        table.metric = Some(metric);
        let moved = move_rows(&*sink(&server.uri, json!({})), &table, vec![batch.clone()]).await;
        assert_eq!(moved.unwrap().completion.rows_after, 128);
        let client = server.client().await;
        let made = &client.indexes(&name).await.unwrap()[0];
        let made = &made.definition;
        assert_eq!((&*made.index_type, &*made.metric_type), (index, metric.name()));
        if metric == Metric::Hamming {
            let found = client.describe_collection(&name).await.unwrap().unwrap();
            client.load_missing(&name, &["_default".to_owned()], true).await.unwrap();
            let rows = client.first_rows(&found, 1000).await.unwrap();
            let ids = rows.column(0).as_primitive::<Int64Type>();
            let read = rows.column(1).as_fixed_size_list();
            for row in 0..rows.num_rows() {
                let id = usize::try_from(ids.value(row)).unwrap();
                let bytes = read.value(row);
                let bytes = bytes.as_primitive::<UInt8Type>().values().to_vec();
                assert_eq!(bytes, values[id * 2..id * 2 + 2]);
            }
        }
        client.drop_collection(&name).await.unwrap();
    }
}

#[tokio::test]
async fn float16_vectors_arrive() {
    let server = Server::milvus();
    let name = server.fresh("float16").await;
    let schema = of_type(VectorType::Float16, 4);
    let values: Vec<f16> = (0..40u8).map(|n| f16::from_f32(f32::from(n) / 8.0)).collect();
    let batch = vectors(&schema, Arc::new(Float16Array::from(values.clone())));
    let table = table_of(&name, schema);
    let moved = move_rows(&*sink(&server.uri, json!({})), &table, vec![batch]).await.unwrap();
    assert_eq!(moved.completion.rows_after, 10);
    let client = server.client().await;
    let found = client.describe_collection(&name).await.unwrap().unwrap();
    client.load_missing(&name, &["_default".to_owned()], true).await.unwrap();
    let rows = client.first_rows(&found, 1000).await.unwrap();
    let ids = rows.column(0).as_primitive::<Int64Type>();
    for row in 0..10 {
        let id = usize::try_from(ids.value(row)).unwrap();
        let read = rows.column(1).as_fixed_size_list().value(row);
        let read = read.as_primitive::<Float16Type>().values().to_vec();
        assert_eq!(read, values[id * 4..id * 4 + 4]);
    }
    client.drop_collection(&name).await.unwrap();
}

#[tokio::test]
async fn types_that_a_server_lacks_are_refused_before_it_sees_them() {
    for server in Server::both() {
        let refused: &[VectorType] = match server.lite {
            true => {
                &[VectorType::Binary, VectorType::Float16, VectorType::BFloat16, VectorType::Int8]
            }
            false => &[VectorType::BFloat16, VectorType::Int8],
        };
        let name = server.fresh("lacking").await;
        for vector_type in refused {
            let table = table_of(&name, of_type(*vector_type, 8));
            let sink = sink(&server.uri, json!({ "schema": { "metric": "L2" } }));
            let error = sink.plan(&table).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.to_string().contains("does not take"), "{error}");
        }
        assert!(server.client().await.describe_collection(&name).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn scalars_of_every_type_arrive_as_they_were() {
    let json_text = HashMap::from([("ARROW:extension:name".to_owned(), "arrow.json".to_owned())]);
    let item = VectorColumn { vector_type: VectorType::Float32, dim: 2 };
    let schema = schema(vec![
        id_field("name", DataType::Utf8),
        vector_field("v", item),
        Field::new("b", DataType::Boolean, false),
        Field::new("i8", DataType::Int8, false),
        Field::new("i16", DataType::Int16, false),
        Field::new("i32", DataType::Int32, false),
        Field::new("i64", DataType::Int64, false),
        Field::new("f32", DataType::Float32, false),
        Field::new("f64", DataType::Float64, false),
        Field::new("text", DataType::Utf8, false),
        Field::new("json", DataType::Utf8, false).with_metadata(json_text),
    ]);
    let list = Arc::new(Field::new("item", DataType::Float32, false));
    let floats = Float32Array::from(vec![0.5, 1.5, -2.5, 3.25, f32::MAX, f32::MIN_POSITIVE]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["a\"b\\", "日本", "plain"])),
        Arc::new(FixedSizeListArray::new(list, 2, Arc::new(floats), None)),
        Arc::new(BooleanArray::from(vec![true, false, true])),
        Arc::new(Int8Array::from(vec![i8::MIN, 0, i8::MAX])),
        Arc::new(Int16Array::from(vec![i16::MIN, -1, i16::MAX])),
        Arc::new(Int32Array::from(vec![i32::MIN, 300, i32::MAX])),
        Arc::new(Int64Array::from(vec![i64::MIN, -1, i64::MAX])),
        Arc::new(Float32Array::from(vec![-0.0, 1e-40, f32::MAX])),
        Arc::new(Float64Array::from(vec![f64::MIN, 0.1, f64::MAX])),
        Arc::new(StringArray::from(vec!["", "ümlaut\n", "x"])),
        Arc::new(StringArray::from(vec![r#"{"a":1}"#, r#"{"b":[1,{"c":null}]}"#, "{}"])),
    ];
    let batch = RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
    for server in Server::both() {
        let name = server.fresh("scalars").await;
        let table = table_of(&name, schema.clone());
        let sink = sink(&server.uri, json!({}));
        move_rows(&*sink, &table, vec![batch.slice(0, 1), batch.slice(1, 2)]).await.unwrap();
        let plan = sink.plan(&table).await.unwrap();
        assert_eq!(plan.decision, Decision::Append);
        let held = sink.existing_ids(&table, batch.column(0)).await.unwrap();
        assert_eq!(held.len(), 3);
        let client = server.client().await;
        let found = client.describe_collection(&name).await.unwrap().unwrap();
        client.load_missing(&name, &["_default".to_owned()], true).await.unwrap();
        let read = client.first_rows(&found, 10).await.unwrap();
        assert_eq!(read.num_rows(), 3);
        let (sent_ids, read_ids) =
            (batch.column(0).as_string::<i32>(), read.column(0).as_string::<i32>());
        for row in 0..3 {
            let from = (0..3).find(|from| sent_ids.value(*from) == read_ids.value(row)).unwrap();
            for column in 0..batch.num_columns() - 1 {
                let (sent, read) =
                    (batch.column(column).slice(from, 1), read.column(column).slice(row, 1));
                assert_eq!(&sent, &read, "column {column} of {}", sent_ids.value(from));
            }
            // JSON comes back with other spaces.
            let parse = |batch: &RecordBatch, row: usize| -> serde_json::Value {
                serde_json::from_str(batch.column(10).as_string::<i32>().value(row)).unwrap()
            };
            assert_eq!(parse(&batch, from), parse(&read, row));
        }
        client.drop_collection(&name).await.unwrap();
    }
}

#[tokio::test]
async fn nulls_go_where_the_server_has_them_and_nowhere_else() {
    let item = VectorColumn { vector_type: VectorType::Float32, dim: 2 };
    let schema = schema(vec![
        id_field("id", DataType::Int64),
        vector_field("v", item),
        Field::new("n", DataType::Int32, true),
    ]);
    let list = Arc::new(Field::new("item", DataType::Float32, false));
    let floats = Float32Array::from(vec![0.0; 6]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, 2, 3])),
        Arc::new(FixedSizeListArray::new(list, 2, Arc::new(floats), None)),
        Arc::new(Int32Array::from(vec![Some(10), None, Some(30)])),
    ];
    let batch = RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
    for server in Server::both() {
        let name = server.fresh("nulls").await;
        let table = table_of(&name, schema.clone());
        let moved = move_rows(&*sink(&server.uri, json!({})), &table, vec![batch.clone()]).await;
        let client = server.client().await;
        if server.lite {
            assert_eq!(moved.unwrap().completion.rows_after, 3);
            let found = client.describe_collection(&name).await.unwrap().unwrap();
            let partitions = client.partitions(&name).await.unwrap();
            client.load_missing(&name, &partitions, true).await.unwrap();
            let rows = client.first_rows(&found, 10).await.unwrap();
            let ids = rows.column_by_name("id").unwrap().as_primitive::<Int64Type>().values();
            let values = rows.column_by_name("n").unwrap().as_primitive::<Int32Type>();
            let read: BTreeMap<_, _> = ids.iter().copied().zip(values).collect();
            assert_eq!(read, BTreeMap::from([(1, Some(10)), (2, None), (3, Some(30))]));
        } else {
            let error = moved.unwrap_err().to_string();
            assert!(error.contains("Row with id 2: n is null"), "{error}");
        }
        client.drop_collection(&name).await.unwrap();
    }
}

#[tokio::test]
async fn bad_values_are_named_and_not_sent() {
    for server in Server::both() {
        let name = server.fresh("bad").await;
        let schema = of_type(VectorType::Float32, 3);
        let mut values = vec![1.0f32; 30];
        values[22] = f32::NEG_INFINITY;
        let batch = vectors(&schema, Arc::new(Float32Array::from(values)));
        let table = table_of(&name, schema);
        let error =
            move_rows(&*sink(&server.uri, json!({})), &table, vec![batch]).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "Row with id 7: value 1 of v is -inf\n  where: table {name}, split 0, row 7\n  help: correct or remove the row in the source, or put such rows aside with `on_bad_row: reject` below `run`"
            )
        );
        server.client().await.drop_collection(&name).await.unwrap();
    }
}

#[tokio::test]
async fn a_table_that_does_not_fit_says_why() {
    for server in Server::both() {
        let name = server.fresh("misfit").await;
        let made = of_type(VectorType::Float32, 8);
        move_rows(&*sink(&server.uri, json!({})), &table_of(&name, made), vec![]).await.unwrap();
        let plan = async |schema: TableSchema, settings| {
            let outcome = sink(&server.uri, settings).plan(&table_of(&name, schema)).await;
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            error.to_string()
        };
        let error = plan(of_type(VectorType::Float32, 9), json!({})).await;
        assert!(error.contains("column v is FloatVector(9), field v is FloatVector(8)"), "{error}");
        let item = VectorColumn { vector_type: VectorType::Float32, dim: 8 };
        let more = vec![
            id_field("id", DataType::Int64),
            vector_field("v", item),
            Field::new("extra", DataType::Int64, false),
        ];
        let error = plan(schema(more), json!({})).await;
        assert!(
            error.contains("it has no field `extra`")
                && error.contains("it has: id Int64 (primary key), v FloatVector(8)"),
            "{error}"
        );
        let text_ids = vec![id_field("id", DataType::Utf8), vector_field("v", item)];
        let error = plan(schema(text_ids), json!({})).await;
        assert!(error.contains("column id is VarChar(65535), field id is Int64"), "{error}");
        let given = json!({ "schema": { "vector": "other" } });
        let error = plan(of_type(VectorType::Float32, 8), given).await;
        assert!(error.contains("has no field `other`"), "{error}");
        let given = json!({ "schema": { "metric": "L2" } });
        let error = plan(of_type(VectorType::Float32, 8), given).await;
        assert!(error.contains("is indexed by IP, the configuration says L2"), "{error}");
        server.client().await.drop_collection(&name).await.unwrap();
    }
}

/// The ends of the 64-bit numbers: Milvus 2.3.5 can't read the lowest in a condition, and never
/// gives back a row with the highest, which it counts.
#[tokio::test]
async fn ids_at_the_ends_of_their_range() {
    for server in Server::both() {
        let name = server.fresh("ends").await;
        let sink = sink(&server.uri, json!({}));
        let low = vec![rows([i64::MIN, i64::MIN + 1, -1, i64::MAX - 1], 0.0)];
        move_rows(&*sink, &table(&name), low).await.unwrap();
        let asked: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, 7, i64::MAX - 1]));
        assert_eq!(sink.existing_ids(&table(&name), &asked).await.unwrap().len(), 2);
        let asked: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN]));
        assert_eq!(sink.existing_ids(&table(&name), &asked).await.unwrap().len(), 1);
        let high = move_rows(&*sink, &table(&name), vec![rows([i64::MAX], 0.0)]).await.unwrap();
        assert_eq!(high.completion.rows_after, 5);
        server.client().await.drop_collection(&name).await.unwrap();
    }
}

#[tokio::test]
async fn metrics_that_do_not_fit_are_refused() {
    let server = Server::milvus();
    let plan = async |vector_type, metric, settings| {
        let mut table = table_of("vecpipe_test_metrics", of_type(vector_type, 8));
        table.metric = metric;
        sink(&server.uri, settings).plan(&table).await.unwrap_err().to_string()
    };
    let given = json!({ "schema": { "metric": "TANIMOTO" } });
    let error = plan(VectorType::Binary, None, given).await;
    assert!(error.contains("no metric TANIMOTO") && error.contains("JACCARD"), "{error}");
    let error = plan(VectorType::Binary, Some(Metric::L2), json!({})).await;
    assert!(error.contains("L2 does not fit binary vectors"), "{error}");
    let given = json!({ "schema": { "metric": "HAMMING" } });
    let error = plan(VectorType::Float32, None, given).await;
    assert!(error.contains("HAMMING does not fit float32 vectors"), "{error}");
    let error = plan(VectorType::Float32, None, json!({ "collection": "my-file.2" })).await;
    assert!(error.contains("`my-file.2` can't be the name of a Milvus collection"), "{error}");
    let error = plan(VectorType::Float32, None, json!({ "schema": { "vector": "1v" } })).await;
    assert!(error.contains("can't be the name of a Milvus field"), "{error}");
    let wide = table_of("vecpipe_test_metrics", of_type(VectorType::Float32, 32_769));
    let error = sink(&server.uri, json!({})).plan(&wide).await.unwrap_err().to_string();
    assert!(error.contains("has 32769 dimensions"), "{error}");
}

/// Old servers rank by Tanimoto's distance, which rises with Jaccard's.
#[tokio::test]
async fn tanimoto_becomes_jaccard_and_the_plan_says_so() {
    let server = Server::milvus();
    let mut table = table_of("vecpipe_test_tanimoto", of_type(VectorType::Binary, 8));
    table.metric = Some(Metric::Tanimoto);
    let plan = sink(&server.uri, json!({})).plan(&table).await.unwrap();
    let told = "metric JACCARD (in place of TANIMOTO, which Milvus 2.x lacks; both rank the same)";
    assert!(plan.notes.iter().any(|note| note.contains(told)), "{:?}", plan.notes);
}

#[test]
fn versions_of_both_servers_are_understood() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let milvus = Server::milvus().client().await.version().clone();
        assert!(!milvus.is_lite() && milvus.at_least(2, 3, 5), "{milvus}");
        let lite: ServerVersion = Server::lite().client().await.version().clone();
        assert!(lite.is_lite(), "{lite}");
    });
}
