//! Modes, and ids that are there already.

use serde_json::json;
use vecpipe::sink::Decision;

use crate::milvus_support::table_of;
use crate::server::Milvus1;
use crate::support::*;

#[tokio::test]
async fn a_collection_is_made_as_the_table_says() {
    let server = Milvus1::start("0.10.0").await;
    let settings = json!({ "schema": { "index_file_size": 64 } });
    let moved = move_rows(&*sink(&server, settings), &table("new"), vec![rows(0..10, 1.0)]).await;
    let moved = moved.unwrap();
    assert_eq!(moved.plan.decision, Decision::Create);
    assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (0, 10));
    let made = server.store(|store| store.describe("new")).unwrap();
    assert_eq!((made.dimension, made.metric_type, made.index_file_size), (4, 2, 64));
    assert_eq!(server.rows("new", "_default"), held(0..10, 1.0));
}

#[tokio::test]
async fn skip_append_and_overwrite() {
    for version in VERSIONS {
        let server = Milvus1::start(version).await;
        let to = |mode: &str| sink(&server, json!({ "mode": mode }));
        move_rows(&*to("append"), &table("c"), vec![rows(0..10, 1.0)]).await.unwrap();
        let moved = move_rows(&*to("skip"), &table("c"), vec![rows(0..10, 1.0)]).await.unwrap();
        assert_eq!((moved.plan.decision, moved.plan.rows_before), (Decision::Skip, Some(10)));
        let moved = move_rows(&*to("append"), &table("c"), vec![rows(10..15, 1.0)]).await.unwrap();
        assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (10, 15));
        assert_eq!(server.rows("c", "_default"), held(0..15, 1.0));
        // The name can't be used again at once.
        let moved = move_rows(&*to("overwrite"), &table("c"), vec![rows(3..5, 2.0)]).await.unwrap();
        assert!(moved.plan.notes[0].contains("is dropped first"), "{:?}", moved.plan.notes);
        assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (0, 2));
        assert_eq!(server.rows("c", "_default"), held(3..5, 2.0));
    }
}

#[tokio::test]
async fn partitions_with_any_tag() {
    let server = Milvus1::start("1.1.1").await;
    let to = |mode: &str| sink(&server, json!({ "mode": mode, "partition": "Mai 2020 – ä" }));
    move_rows(&*to("append"), &table("c"), vec![rows(0..10, 1.0)]).await.unwrap();
    let moved = move_rows(&*to("append"), &table("c"), vec![rows(10..12, 1.0)]).await.unwrap();
    assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (10, 12));
    move_rows(&*to("overwrite"), &table("c"), vec![rows(1..3, 2.0)]).await.unwrap();
    assert_eq!(server.rows("c", "Mai 2020 – ä"), held(1..3, 2.0));

    let default = sink(&server, json!({ "mode": "overwrite", "partition": "_default" }));
    let error = move_rows(&*default, &table("c"), vec![]).await.unwrap_err();
    assert!(error.to_string().contains("default partition can't be overwritten"), "{error}");
    let blank = sink(&server, json!({ "partition": " a" }));
    let error = move_rows(&*blank, &table("c"), vec![]).await.unwrap_err();
    assert!(error.to_string().contains("can't be the tag"), "{error}");
}

#[tokio::test]
async fn ids_that_are_there_end_the_run_or_are_left_out() {
    let server = Milvus1::start("0.10.0").await;
    let to = |on_conflict: &str| sink(&server, json!({ "on_conflict": on_conflict }));
    move_rows(&*to("fail"), &table("c"), vec![rows(0..2500, 1.0)]).await.unwrap();
    let error = move_rows(&*to("fail"), &table("c"), vec![rows(2400..2600, 2.0)]).await;
    assert!(error.unwrap_err().to_string().contains("100"));
    assert_eq!(server.rows("c", "_default"), held(0..2500, 1.0));

    // More than one request may ask for at once.
    let moved = move_rows(&*to("skip"), &table("c"), vec![rows(0..2600, 2.0)]).await.unwrap();
    assert_eq!((moved.written.rows, moved.written.skipped), (100, 2500));
    let mut expected = held(0..2500, 1.0);
    expected.extend(held(2500..2600, 2.0));
    assert_eq!(server.rows("c", "_default"), expected);

    let moved = move_rows(&*to("insert"), &table("c"), vec![rows(0..1, 3.0)]).await.unwrap();
    assert_eq!(moved.completion.rows_after, 2601);
}

#[tokio::test]
async fn upsert_takes_the_place_of_every_row_with_the_id() {
    for version in VERSIONS {
        let server = Milvus1::start(version).await;
        let to = |on_conflict: &str| sink(&server, json!({ "on_conflict": on_conflict }));
        move_rows(&*to("fail"), &table("c"), vec![rows(0..10, 1.0)]).await.unwrap();
        // An id may occur twice there.
        move_rows(&*to("insert"), &table("c"), vec![rows(5..6, 9.0)]).await.unwrap();
        let batches = vec![rows(5..12, 2.0), rows(12..14, 2.0)];
        let moved = move_rows(&*to("upsert"), &table("c"), batches).await.unwrap();
        assert_eq!((moved.written.rows, moved.written.replaced), (9, 6));
        assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (11, 14));
        let mut expected = held(0..5, 1.0);
        expected.extend(held(5..14, 2.0));
        assert_eq!(server.rows("c", "_default"), expected, "{version}");
    }
}

/// Before 1.1, a delete by id takes the rows of all partitions.
#[tokio::test]
async fn an_upsert_into_a_partition_is_counted_where_it_takes_rows_from() {
    for (version, others) in [("1.0.1", 0..3), ("1.1.1", 0..5)] {
        let server = Milvus1::start(version).await;
        let to = |partition: &str, on_conflict: &str| {
            sink(&server, json!({ "partition": partition, "on_conflict": on_conflict }))
        };
        move_rows(&*to("a", "fail"), &table("c"), vec![rows(0..5, 1.0)]).await.unwrap();
        move_rows(&*to("b", "insert"), &table("c"), vec![rows(4..6, 1.0)]).await.unwrap();
        let moved =
            move_rows(&*to("b", "upsert"), &table("c"), vec![rows(3..8, 2.0)]).await.unwrap();
        let grown = moved.completion.rows_after as i64 - moved.completion.rows_before as i64;
        assert_eq!(grown, moved.written.rows as i64 - moved.written.replaced as i64, "{version}");
        assert_eq!(server.rows("c", "a"), held(others, 1.0), "{version}");
        assert_eq!(server.rows("c", "b"), held(3..8, 2.0), "{version}");
        let told = moved.plan.notes.iter().any(|note| note.contains("in all partitions"));
        assert_eq!(told, version == "1.0.1", "{:?}", moved.plan.notes);
    }
}

#[tokio::test]
async fn what_does_not_fit_is_said_before_anything_is_made() {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};
    use vecpipe::table::{TableSchema, VectorColumn, VectorType, id_field, vector_field};

    let server = Milvus1::start("1.1.1").await;
    let floats = |dim| VectorColumn { vector_type: VectorType::Float32, dim };
    let vectors = |column| table_of("c", TableSchema::of_vectors("id", "v", column));
    let schema = |fields: Vec<Field>| {
        table_of("c", TableSchema::new(Arc::new(Schema::new(fields))).unwrap())
    };
    let scalar = schema(vec![
        id_field("id", DataType::Int64),
        vector_field("v", floats(4)),
        Field::new("age", DataType::Int32, true),
    ]);
    let texts = schema(vec![id_field("id", DataType::Utf8), vector_field("v", floats(4))]);
    let halves = vectors(VectorColumn { vector_type: VectorType::Float16, dim: 4 });
    let bits = vectors(VectorColumn { vector_type: VectorType::Binary, dim: 8 });
    let cosine = json!({ "schema": { "metric": "COSINE" } });
    for (settings, table, words) in [
        (json!({}), &scalar, "the table has more: `age`"),
        (json!({}), &texts, "those of the table are texts"),
        (json!({}), &halves, "has no float16 vectors"),
        (json!({}), &bits, "no metric IP for binary vectors"),
        (json!({}), &vectors(floats(40_000)), "40000 dimensions"),
        (cosine, &vectors(floats(4)), "no metric COSINE"),
        (json!({ "collection": "a-b" }), &vectors(floats(4)), "can't be the name"),
    ] {
        let error = sink(&server, settings).plan(table).await.unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    move_rows(&*sink(&server, json!({})), &table("c"), vec![]).await.unwrap();
    let error = sink(&server, json!({})).plan(&vectors(floats(5))).await.unwrap_err();
    assert!(error.to_string().contains("have 5 dimensions of floats"), "{error}");
    let other = json!({ "schema": { "metric": "L2" } });
    let error = sink(&server, other).plan(&table("c")).await.unwrap_err();
    assert!(error.to_string().contains("has the metric IP, the configuration says L2"), "{error}");
    assert!(!server.calls().iter().any(|call| call == "Insert"));
}

#[tokio::test]
async fn a_collection_that_makes_its_ids_is_told() {
    let server = Milvus1::start("1.1.1").await;
    server.store(|store| store.makes_ids = true);
    let moved = move_rows(&*sink(&server, json!({})), &table("c"), vec![rows(0..3, 1.0)]).await;
    let words = moved.unwrap_err().to_string();
    assert!(words.contains("makes the ids of its rows itself"), "{words}");
}
