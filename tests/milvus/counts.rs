//! Counting a target whose statistics say something else than its rows do.

use serde_json::json;
use vecpipe::sink::Decision;

use crate::support::*;

/// Milvus's statistics count a replaced row until the server tidies up; a run that trusts them
/// reports a difference that is none, or misses one.
#[tokio::test]
async fn rows_that_were_replaced_before_do_not_falsify_the_count() {
    let server = Server::milvus();
    let name = server.fresh("replaced_before").await;
    let to = |on_conflict: &str| sink(&server.uri, json!({ "on_conflict": on_conflict }));
    move_rows(&*to("fail"), &table(&name), vec![rows(0..100, 1.0)]).await.unwrap();
    move_rows(&*to("upsert"), &table(&name), vec![rows(90..100, 2.0)]).await.unwrap();
    let client = server.client().await;
    client.flush(&name).await.unwrap();
    // 110 until the server tidies up, which it does when it likes.
    let statistics = client.row_count(&name, None).await.unwrap();
    assert!([100, 110].contains(&statistics), "{statistics}");

    let moved = move_rows(&*to("fail"), &table(&name), vec![rows(200..210, 1.0)]).await.unwrap();
    assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (100, 110));
    let moved = move_rows(&*to("skip"), &table(&name), vec![rows(205..215, 1.0)]).await.unwrap();
    assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (110, 115));
    client.drop_collection(&name).await.unwrap();
}

/// On Milvus Lite an upsert takes rows from every partition, so a partition's own count tells
/// nothing about what the run did.
#[tokio::test]
async fn an_upsert_into_a_partition_of_milvus_lite_counts_the_collection() {
    let server = Server::lite();
    let name = server.fresh("lite_whole").await;
    let to = |settings| sink(&server.uri, settings);
    let p1 = to(json!({ "partition": "p1" }));
    move_rows(&*p1, &table(&name), vec![rows(0..10, 1.0)]).await.unwrap();
    let p2 = to(json!({ "partition": "p2", "on_conflict": "upsert" }));
    let moved = move_rows(&*p2, &table(&name), vec![rows(5..15, 2.0)]).await.unwrap();
    assert_eq!((moved.written.rows, moved.written.replaced), (10, 5));
    assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (10, 15));
    server.client().await.drop_collection(&name).await.unwrap();
}

/// What is left alone need not be something that the rows could go into.
#[tokio::test]
async fn mode_skip_leaves_alone_what_does_not_fit() {
    for server in Server::both() {
        let name = server.fresh("skip_other").await;
        let first = sink(&server.uri, json!({}));
        move_rows(&*first, &table(&name), vec![rows(0..3, 1.0)]).await.unwrap();
        let wide = vecpipe::table::VectorColumn {
            vector_type: vecpipe::table::VectorType::Float32,
            dim: 32,
        };
        let wide = vecpipe::table::TableSchema::of_vectors("id", "embedding", wide);
        let plan = sink(&server.uri, json!({ "mode": "skip" })).plan(&table_of(&name, wide)).await;
        let plan = plan.unwrap();
        assert_eq!(plan.decision, Decision::Skip);
        assert!(plan.notes[0].contains("is left alone"), "{:?}", plan.notes);
        server.client().await.drop_collection(&name).await.unwrap();
    }
}
