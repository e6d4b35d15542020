//! Failures while writing: nothing is lost, nothing is doubled, and the user learns of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use vecpipe::error::{Kind, Retry};
use vecpipe::milvus::v1::proto::DeleteByIdParam;
use vecpipe::sink::Start;
use vecpipe::table::Split;

use crate::common::rows::in_flight;
use crate::server::{Fault, Milvus1};
use crate::support::*;

#[tokio::test]
async fn a_lost_answer_is_looked_into_and_doubles_nothing() {
    for fault in
        [Fault::LoseAnswer, Fault::LoseHalf, Fault::LoseRequest, Fault::OutOfMemory, Fault::Silence]
    {
        let server = Milvus1::start("0.10.0").await;
        server.fail(&[fault, Fault::None, fault]);
        let sink = sink(&server, json!({ "timeouts": { "request": "1s" } }));
        let batches = vec![rows(0..50, 1.0), rows(50..70, 1.0), rows(70..75, 1.0)];
        let moved = move_rows(&*sink, &table("c"), batches).await.unwrap();
        assert_eq!((moved.written.rows, moved.completion.rows_after), (75, 75), "{fault:?}");
        assert_eq!(moved.retries, 2, "{fault:?}");
        assert_eq!(server.rows("c", "_default"), held(0..75, 1.0), "{fault:?}");
        // What is there is not sent again.
        let again = if fault == Fault::LoseAnswer { 3 } else { 5 };
        assert_eq!(server.count_of("Insert"), again, "{fault:?}");
    }
}

/// The connection broke, the ids were looked up and not found, the rows sent again; and then the first
/// request was carried out, too: 44 rows were there twice.
#[tokio::test]
async fn ids_are_looked_up_when_no_request_can_come_late() {
    for version in VERSIONS {
        let server = Milvus1::start(version).await;
        server.fail(&[Fault::None, Fault::Late(Duration::from_secs(2)), Fault::None]);
        let sink = sink(&server, json!({ "timeouts": { "request": "1s" } }));
        let batches = vec![rows(0..30, 1.0), rows(30..74, 1.0), rows(74..80, 1.0)];
        let moved = move_rows(&*sink, &table("c"), batches).await.unwrap();
        assert_eq!((moved.written.rows, moved.completion.rows_after), (80, 80), "{version}");
        server.none_late().await;
        assert_eq!(server.rows("c", "_default"), held(0..80, 1.0), "{version}");
        assert_eq!(server.count_of("Insert"), 3, "{version}: what came late is not sent again");
    }
}

#[tokio::test]
async fn a_lost_answer_stops_an_insert_that_could_double_rows() {
    let server = Milvus1::start("1.1.1").await;
    move_rows(&*sink(&server, json!({})), &table("c"), vec![]).await.unwrap();
    for settings in [json!({ "on_conflict": "insert" }), json!({ "on_duplicate_id": "allow" })] {
        server.fail(&[Fault::LoseRequest]);
        let moved = move_rows(&*sink(&server, settings), &table("c"), vec![rows(0..5, 1.0)]).await;
        let error = moved.unwrap_err();
        assert_eq!((error.kind(), error.retry_advice()), (Kind::Target, Retry::Ambiguous));
        assert!(error.to_string().contains("5 of these rows may be in"), "{error}");
    }
    assert_eq!(server.count_of("Insert"), 2);
}

/// Before 1.1, an answer about ids may be about another partition's rows.
#[tokio::test]
async fn before_1_1_a_lost_answer_about_a_partition_stops() {
    for (version, stops) in [("1.0.1", true), ("1.1.1", false)] {
        let server = Milvus1::start(version).await;
        server.fail(&[Fault::LoseAnswer]);
        let sink = sink(&server, json!({ "partition": "p", "timeouts": { "request": "1s" } }));
        let moved = move_rows(&*sink, &table("c"), vec![rows(0..5, 1.0)]).await;
        assert_eq!(moved.is_err(), stops, "{version}: {moved:?}");
        assert_eq!(server.rows("c", "p"), held(0..5, 1.0));
    }
}

/// Rows that a killed run had removed, but not yet put back as new ones, were missing from the count.
#[tokio::test]
async fn old_rows_that_an_interrupted_run_had_removed_count_as_replaced() {
    for removed in [0, 3] {
        let server = Milvus1::start("1.1.1").await;
        let old = vec![rows(0..10, 1.0)];
        move_rows(&*sink(&server, json!({})), &table("c"), old).await.unwrap();
        let sink = sink(&server, json!({ "on_conflict": "upsert" }));
        let plan = sink.plan(&table("c")).await.unwrap();
        let writer = sink.prepare(&table("c"), &plan, &Start::Fresh, Arc::default()).await.unwrap();
        server.store(|store| {
            let (collection_name, id_array) = ("c".to_owned(), (0..removed).collect());
            let gone = DeleteByIdParam { collection_name, id_array, ..DeleteByIdParam::default() };
            store.delete(gone).unwrap();
            store.flush("c").unwrap();
        });
        let mut split = writer.open_split(&split(6)).await.unwrap();
        let written = split.repeat(in_flight(&rows(0..6, 2.0))).await.unwrap();
        split.finish().await.unwrap();
        let completion = writer.complete().await.unwrap();
        assert_eq!((completion.rows_before, completion.rows_after), (10, 10));
        assert_eq!(written.rows, 6);
        let least = completion.rows_before + written.rows - written.replaced;
        assert!((least..=least + written.uncertain).contains(&10), "{removed}: {written:?}");
    }
}

fn split(rows: u64) -> Split {
    Split { index: 0, first_row: 0, rows, bytes: 0, location: serde_json::Value::Null }
}

#[tokio::test]
async fn a_refusal_is_final_whatever_ids_it_echoes() {
    let server = Milvus1::start("0.10.0").await;
    server.fail(&[Fault::Refuse]);
    let moved = move_rows(&*sink(&server, json!({})), &table("c"), vec![rows(0..5, 1.0)]).await;
    let words = moved.unwrap_err().to_string();
    assert!(words.contains("the disk is on fire (code 1)"), "{words}");
    assert!(words.contains("rows 0 to 5"), "{words}");
    assert_eq!(server.count_of("Insert"), 1);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_sent_in_parts() {
    let server = Milvus1::start("0.10.0").await;
    server.fail(&[Fault::LargerThanMax]);
    let moved = move_rows(&*sink(&server, json!({})), &table("c"), vec![rows(0..100, 1.0)]).await;
    assert_eq!(moved.unwrap().completion.rows_after, 100);
    assert_eq!(server.rows("c", "_default"), held(0..100, 1.0));
    // One that was refused, two halves; or more, since headers are not halved.
    assert!((3..=5).contains(&server.count_of("Insert")), "{:?}", server.calls());
}

#[tokio::test]
async fn not_a_number_is_found_before_it_is_sent() {
    let server = Milvus1::start("0.10.0").await;
    let mut bad = rows(0..5, 1.0).columns().to_vec();
    let vectors = rows([0, 1, 2, 3, 4], f32::NAN);
    bad[1] = vectors.column(1).clone();
    let bad = arrow_array::RecordBatch::try_new(vectors.schema(), bad).unwrap();
    let moved = move_rows(&*sink(&server, json!({})), &table("c"), vec![bad]).await;
    let words = moved.unwrap_err().to_string();
    assert!(words.contains("Row with id 0") && words.contains("NaN"), "{words}");
    assert_eq!(server.count_of("Insert"), 0);
}
