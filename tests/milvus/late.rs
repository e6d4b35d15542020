//! Requests that a server carries out after the client gave up on them: nothing is doubled, and nothing
//! that came after them is undone.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::DataType;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use serde_json::{Value, json};
use vecpipe::error::{Kind, Retry};
use vecpipe::flow::{Batch, Permit, SplitProgress, Totals};
use vecpipe::sink::{Earlier, EarlierSplit, Start};
use vecpipe::table::{Place, Split, VectorColumn, VectorType, id_field, vector_field};

use crate::proxy::{Fault, Proxy};
use crate::support::*;

/// Longer than the client waits for an answer, and shorter than it waits for the server's deadline.
const LATE: Fault = Fault::Late(Duration::from_secs(2));
/// Longer than the client waits for anything.
const LATER: Fault = Fault::Late(Duration::from_secs(6));

/// These settings, and one second for each answer.
fn hasty(mut settings: Value) -> Value {
    settings["timeouts"] = json!({ "request": "1s", "connect": "5s" });
    settings
}

/// Rows as the server counts them once every late request was carried out.
async fn count(server: &Server, proxy: &Proxy, collection: &str) -> u64 {
    proxy.none_held().await;
    let client = server.client().await;
    if server.lite {
        return client.row_count(collection, None).await.unwrap();
    }
    let partitions = client.partitions(collection).await.unwrap();
    client.load_missing(collection, &partitions, true).await.unwrap();
    client.count(collection, &[]).await.unwrap()
}

fn verbs(proxy: &Proxy) -> Vec<String> {
    proxy.calls().into_iter().map(|(name, _)| name).collect()
}

/// It was sent as an Insert, repeated as an Upsert, and came after that: 50 rows were 100.
#[tokio::test]
async fn a_write_that_comes_after_its_repetition_doubles_nothing() {
    let server = Server::milvus();
    let new = json!({});
    let cases = [
        ("new", false, new.clone(), 50),
        ("partition", false, json!({ "partition": "p" }), 50),
        ("fail", true, new, 150),
        ("skip", true, json!({ "on_conflict": "skip" }), 150),
        ("upsert", true, json!({ "on_conflict": "upsert" }), 150),
        ("overwrite", true, json!({ "mode": "overwrite" }), 50),
    ];
    let run = async |(case, there, settings, expected): (&str, bool, Value, u64)| {
        let name = server.fresh(&format!("late_{case}")).await;
        if there {
            let old = vec![rows(100..200, 1.0)];
            move_rows(&*sink(&server.uri, json!({})), &table(&name), old).await.unwrap();
        }
        let proxy = Proxy::start(&server.uri, &[LATER]).await;
        let sink = sink(&proxy.uri, hasty(settings));
        let moved = move_rows(&*sink, &table(&name), vec![rows(0..50, 1.0)]).await.unwrap();
        assert_eq!(moved.completion.rows_after, expected, "{case}");
        assert_eq!(count(&server, &proxy, &name).await, expected, "{case}");
        assert!(verbs(&proxy).iter().all(|verb| verb == "Upsert"), "{case}: {:?}", verbs(&proxy));
        server.remove(&name).await;
    };
    futures::future::join_all(cases.map(run)).await;
}

#[tokio::test]
async fn a_write_of_text_ids_that_comes_late_doubles_nothing() {
    let server = Server::milvus();
    let name = server.fresh("late_texts").await;
    let numbered = rows(0..20, 1.0);
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..20).map(|n| format!("é{n}"))));
    let column = VectorColumn { vector_type: VectorType::Float32, dim: 4 };
    let schema = schema(vec![id_field("id", DataType::Utf8), vector_field("embedding", column)]);
    let columns = vec![ids, Arc::clone(numbered.column(1))];
    let batch = RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
    let proxy = Proxy::start(&server.uri, &[LATER]).await;
    let sink = sink(&proxy.uri, hasty(json!({})));
    let moved = move_rows(&*sink, &table_of(&name, schema), vec![batch]).await.unwrap();
    assert_eq!(moved.completion.rows_after, 20);
    assert_eq!(count(&server, &proxy, &name).await, 20);
    server.remove(&name).await;
}

/// Where nothing was repeated, upserts leave the server's own statistics exact.
#[tokio::test]
async fn upserts_that_are_not_repeated_are_counted_without_a_query() {
    let server = Server::milvus();
    let name = server.fresh("upserts").await;
    let proxy = Proxy::start(&server.uri, &[]).await;
    let sink = parallel_sink(&proxy.uri, json!({ "mode": "overwrite" }), 4);
    let batches = (0..20).map(|n| rows(n * 500..(n + 1) * 500, 1.0)).collect();
    let moved = move_rows(&*sink, &table(&name), batches).await.unwrap();
    assert_eq!((moved.completion.rows_after, moved.retries), (10_000, 0));
    assert!(!proxy.all_calls().iter().any(|call| call.name == "Query"));
    server.remove(&name).await;
}

/// They were counted before the request came, sent again, and doubled.
#[tokio::test]
async fn rows_with_new_ids_are_counted_when_no_request_can_come_late() {
    for server in Server::both() {
        let name = server.fresh("late_new_ids").await;
        let proxy = Proxy::start(&server.uri, &[Fault::None, LATE, Fault::LoseRequest]).await;
        let sink = sink(&proxy.uri, hasty(json!({ "keep_ids": false })));
        let batches = vec![rows(0..10, 1.0), rows(10..60, 1.0), rows(60..70, 1.0)];
        let moved = move_rows(&*sink, &table(&name), batches).await.unwrap();
        assert_eq!((moved.written.rows, moved.completion.rows_after), (70, 70));
        // Only the one that was lost is sent again.
        assert_eq!(verbs(&proxy), ["Insert"; 4]);
        assert_eq!(count(&server, &proxy, &name).await, 70);
        server.remove(&name).await;
    }
}

/// A request of a run that was killed.
#[tokio::test]
async fn a_resumed_run_counts_when_no_request_of_the_killed_one_can_come_late() {
    let split = Split { index: 0, first_row: 0, rows: 10, bytes: 0, location: Value::Null };
    let batch = |ids: std::ops::Range<i64>, first_row| Batch {
        rows: rows(ids, 1.0),
        place: Place::new("t", 0, first_row),
        permit: Permit::free(),
    };
    for server in Server::both() {
        let name = server.fresh("late_killed").await;
        let proxy = Proxy::start(&server.uri, &[Fault::None, LATE]).await;
        let settings = hasty(json!({ "keep_ids": false }));
        let killed = sink(&proxy.uri, settings.clone());
        let plan = killed.plan(&table(&name)).await.unwrap();
        let writer = killed.prepare(&table(&name), &plan, &Start::Fresh, Arc::default()).await;
        let writer = writer.unwrap();
        let mut open = writer.open_split(&split).await.unwrap();
        open.write(batch(0..4, 0)).await.unwrap();
        tokio::select! {
            _ = open.write(batch(4..8, 4)) => unreachable!("it is held"),
            () = proxy.one_held() => {}
        }
        let memo = writer.memo();
        drop((open, writer, killed));
        let totals = Totals { rows_read: 4, rows_written: 4, ..Totals::default() };
        let progress = SplitProgress { settled: 4, sent: 8, totals, ..SplitProgress::default() };
        let splits = vec![EarlierSplit { first_row: 0, rows: 10, progress, receipt: None }];
        let start = Start::GoOn(Earlier { memo, splits });
        let resumed = sink(&proxy.uri, settings);
        let writer = resumed.prepare(&table(&name), &plan, &start, Arc::default()).await.unwrap();
        let mut open = writer.open_split(&split).await.unwrap();
        assert_eq!(open.repeat(batch(4..8, 4)).await.unwrap().rows, 4);
        open.write(batch(8..10, 8)).await.unwrap();
        open.finish().await.unwrap();
        assert_eq!(writer.complete().await.unwrap().rows_after, 10);
        assert_eq!(verbs(&proxy), ["Insert"; 3], "what came late is not sent again");
        assert_eq!(count(&server, &proxy, &name).await, 10);
        server.remove(&name).await;
    }
}

/// The new rows were in the partition when it was dropped once more.
#[tokio::test]
async fn a_partition_that_is_dropped_late_has_no_new_rows_yet() {
    for server in Server::both() {
        let name = server.fresh("late_drop").await;
        let old = sink(&server.uri, json!({ "partition": "p" }));
        move_rows(&*old, &table(&name), vec![rows(0..5, 1.0)]).await.unwrap();
        let mut faults = [LATE].into_iter();
        let script = move |call: &str| match call {
            "DropPartition" => faults.next().unwrap_or(Fault::None),
            _ => Fault::None,
        };
        let proxy = Proxy::scripted(&server.uri, Box::new(script)).await;
        let sink = sink(&proxy.uri, hasty(json!({ "partition": "p", "mode": "overwrite" })));
        let moved = move_rows(&*sink, &table(&name), vec![rows(0..10, 2.0)]).await.unwrap();
        assert_eq!(moved.completion.rows_after, 10);
        assert_eq!(count(&server, &proxy, &name).await, 10);
        server.remove(&name).await;
    }
}

/// The old collection got its name back, or the new one lost it, when a rename came late.
#[tokio::test]
async fn a_rename_that_comes_after_the_swap_takes_no_rows_away() {
    let run = async |server: &Server, which: usize| {
        let name = server.fresh(&format!("late_rename_{which}")).await;
        move_rows(&*sink(&server.uri, json!({})), &table(&name), vec![rows(0..10, 1.0)])
            .await
            .unwrap();
        let mut seen = 0;
        let script = move |call: &str| {
            if call != "RenameCollection" {
                return Fault::None;
            }
            seen += 1;
            if seen == which + 1 { LATER } else { Fault::None }
        };
        let proxy = Proxy::scripted(&server.uri, Box::new(script)).await;
        let sink = sink(&proxy.uri, hasty(json!({ "mode": "overwrite" })));
        let moved = move_rows(&*sink, &table(&name), vec![rows(5..20, 2.0)]).await.unwrap();
        assert_eq!(moved.completion.rows_after, 15);
        proxy.none_held().await;
        let kept = read_back(&server.client().await, &name).await;
        let ids: Vec<i64> = kept.into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, (5..20).collect::<Vec<_>>(), "rename {which}");
        server.remove(&name).await;
    };
    for server in Server::both() {
        tokio::join!(run(&server, 0), run(&server, 1));
    }
}

/// The run that sent it was killed, the next one put the new rows in their place and ended well, and then
/// the rename took the name away from them.
#[tokio::test]
async fn a_rename_of_a_killed_run_that_comes_after_the_next_run_takes_no_rows_away() {
    for server in Server::both() {
        let name = server.fresh("late_rename_killed").await;
        let old = sink(&server.uri, json!({}));
        move_rows(&*old, &table(&name), vec![rows(0..10, 1.0)]).await.unwrap();
        let mut faults = [LATER].into_iter();
        let script = move |call: &str| match call {
            "RenameCollection" => faults.next().unwrap_or(Fault::None),
            _ => Fault::None,
        };
        let proxy = Proxy::scripted(&server.uri, Box::new(script)).await;
        let overwriting = || {
            let sink = sink(&proxy.uri, json!({ "mode": "overwrite" }));
            sink.set_run("6928000001234567", &[]);
            sink
        };
        let killed = overwriting();
        let written = fill(&*killed, &table(&name), vec![rows(5..20, 2.0)]).await.unwrap();
        let publish = written.plan.publish.expect("it is filled beside");
        tokio::select! {
            _ = killed.publish(&publish.what, 15) => unreachable!("it is held"),
            () = proxy.one_held() => {}
        }
        drop(killed);
        overwriting().publish(&publish.what, 15).await.unwrap();
        let calls = proxy.all_calls().into_iter();
        let renames = calls.filter(|call| call.name == "RenameCollection").count();
        assert_eq!(renames, 3, "the late one, and those of the next run");
        proxy.none_held().await;
        let kept = read_back(&server.client().await, &name).await;
        let ids: Vec<i64> = kept.into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, (5..20).collect::<Vec<_>>());
        server.remove(&name).await;
    }
}

#[tokio::test]
async fn the_plan_says_which_rows_a_late_request_doubles() {
    let note = "these inserts are not idempotent: one that gets no answer and is carried out more than 3 s after it was sent doubles its rows";
    for (server, settings, told) in [
        (Server::milvus(), json!({}), false),
        (Server::lite(), json!({}), false),
        (Server::milvus(), json!({ "on_duplicate_id": "allow" }), true),
        (Server::milvus(), json!({ "keep_ids": false }), true),
        (Server::lite(), json!({ "keep_ids": false }), true),
    ] {
        let name = server.fresh("late_note").await;
        let sink = sink(&server.uri, hasty(settings.clone()));
        let plan = sink.plan(&table(&name)).await.unwrap();
        assert_eq!(plan.notes.iter().any(|found| found == note), told, "{settings}: {plan:?}");
    }
}

#[tokio::test]
async fn a_user_who_must_not_upsert_is_told_why_it_is_needed() {
    let server = Server::milvus();
    let name = server.fresh("late_denied").await;
    let proxy = Proxy::start(&server.uri, &[Fault::Grpc(7, "permission deny")]).await;
    let sink = sink(&proxy.uri, json!({}));
    let error = move_rows(&*sink, &table(&name), vec![rows(0..5, 1.0)]).await.unwrap_err();
    let words = error.to_string();
    assert!(words.contains("Milvus denies Upsert: permission deny"), "{words}");
    assert!(words.contains("grant the user Upsert, too"), "{words}");
    server.remove(&name).await;
}

/// An answer that says `ok`, and that not all rows were taken.
#[tokio::test]
async fn an_answer_that_does_not_take_all_rows_ends_the_run() {
    for (server, verb) in [(Server::milvus(), "Upsert"), (Server::lite(), "Insert")] {
        let name = server.fresh("fewer").await;
        for (fault, words) in [
            (Fault::TakeFewer, "49 rows taken of 50 sent"),
            (Fault::ErrIndex, "50 rows taken of 50 sent, 1 of them in error"),
        ] {
            let proxy = Proxy::start(&server.uri, &[fault]).await;
            let sink = sink(&proxy.uri, json!({ "mode": "overwrite" }));
            let moved = move_rows(&*sink, &table(&name), vec![rows(0..50, 1.0)]).await;
            let error = moved.expect_err("the rows are not there");
            assert_eq!((error.kind(), error.retry_advice()), (Kind::Target, Retry::No));
            let told = error.to_string();
            assert!(told.contains(&format!("answered {verb} with {words}")), "{told}");
            assert_eq!(verbs(&proxy), [verb]);
        }
        server.remove(&name).await;
    }
}
