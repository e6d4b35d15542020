//! Rows that get new ids from the server: each is there once, and nothing but their number tells.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use serde_json::{Value, json};
use vecpipe::error::{Kind, Retry};
use vecpipe::flow::{Batch, Controls, Permit, SplitProgress, Totals};
use vecpipe::milvus::v2::collection::NewCollection;
use vecpipe::milvus::v2::proto::common::KeyValuePair;
use vecpipe::sink::{Earlier, EarlierSplit, Start};
use vecpipe::table::{Place, Split};

use crate::common::components::source as source_of;
use crate::common::{run_pipeline, settings};
use crate::proxy::{Fault, Proxy};
use crate::support::*;

/// How often each first value of a vector is there.
async fn values(server: &Server, name: &str) -> BTreeMap<i64, usize> {
    let mut all = BTreeMap::new();
    for (_, value) in read_back(&server.client().await, name).await {
        *all.entry(value as i64).or_default() += 1;
    }
    all
}

fn once(values: std::ops::Range<i64>) -> BTreeMap<i64, usize> {
    values.map(|value| (value, 1)).collect()
}

fn new_ids() -> Value {
    json!({ "keep_ids": false })
}

/// The same, with one second for each answer: the deadline of an ambiguous request is waited for.
fn hasty() -> Value {
    json!({ "keep_ids": false, "timeouts": { "request": "1s", "connect": "5s" } })
}

#[tokio::test]
async fn the_server_makes_the_ids() {
    for server in Server::both() {
        let name = server.fresh("new_ids").await;
        let sink = sink(&server.uri, new_ids());
        // Nobody minds that ids come again.
        let twice = vec![rows(0..10, 1.0), rows(0..10, 1.0)];
        let moved = move_rows(&*sink, &table(&name), twice).await.unwrap();
        assert!(!moved.plan.ids.unique && !moved.plan.ids.absent && sink.gives_ids());
        assert_eq!((moved.written.rows, moved.completion.rows_after), (20, 20));
        let told = "the server makes new ids (id): rows are verified by their number alone";
        assert!(moved.plan.notes.iter().any(|note| note.starts_with(told)), "{:?}", moved.plan);
        let client = server.client().await;
        let made = client.describe_collection(&name).await.unwrap().unwrap();
        assert!(made.primary_key().unwrap().auto_id);
        assert!(values(&server, &name).await.into_values().all(|times| times == 2));
        // And more into what is there, be it overwritten.
        let more = vec![rows(10..15, 1.0)];
        let moved = move_rows(&*sink, &table(&name), more.clone()).await.unwrap();
        assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (20, 25));
        let over =
            crate::support::sink(&server.uri, json!({ "keep_ids": false, "mode": "overwrite" }));
        move_rows(&*over, &table(&name), more).await.unwrap();
        assert_eq!(values(&server, &name).await, once(10..15));
        server.remove(&name).await;
    }
}

#[tokio::test]
async fn ids_are_kept_or_made_as_the_target_has_it() {
    for server in Server::both() {
        let (auto, own) = (server.fresh("auto").await, server.fresh("own").await);
        let (new, kept) = (sink(&server.uri, new_ids()), sink(&server.uri, json!({})));
        move_rows(&*new, &table(&auto), vec![]).await.unwrap();
        move_rows(&*kept, &table(&own), vec![]).await.unwrap();
        let error = kept.plan(&table(&auto)).await.unwrap_err();
        let words = error.to_string();
        let remedies = ["sink.milvus.keep_ids: false", "mode: overwrite"];
        assert!(error.kind() == Kind::Config && words.contains("it makes its ids itself"));
        assert!(remedies.iter().all(|remedy| words.contains(remedy)), "{words}");
        let words = new.plan(&table(&own)).await.unwrap_err().to_string();
        assert!(words.contains("it does not make its ids itself (id is not auto_id)"), "{words}");
        // Overwritten, it is made as it is wanted.
        let over = sink(&server.uri, json!({ "mode": "overwrite" }));
        let moved = move_rows(&*over, &table(&auto), vec![rows(3..5, 1.0)]).await.unwrap();
        assert_eq!(moved.completion.rows_after, 2);
        let ids: Vec<_> = read_back(&server.client().await, &auto).await;
        assert_eq!(ids, [(3, 3.0), (4, 4.0)]);
        server.remove(&auto).await;
        server.remove(&own).await;
    }
}

/// Since 2.6 a collection may take ids although it makes them.
#[tokio::test]
async fn a_collection_may_say_that_it_takes_ids_all_the_same() {
    let server = Server::milvus();
    let name = server.fresh("takes_ids").await;
    move_rows(&*sink(&server.uri, new_ids()), &table(&name), vec![]).await.unwrap();
    let client = server.client().await;
    let made = client.describe_collection(&name).await.unwrap().unwrap();
    client.drop_collection(&name).await.unwrap();
    let takes = |word: &str| KeyValuePair {
        key: "allow_insert_auto_id".to_owned(),
        value: word.to_owned(),
    };
    let proxy = Proxy::start(&server.uri, &[]).await;
    for (version, word, taken) in
        [("v2.6.1", "true", true), ("v2.6.1", "false", false), ("v2.5.4", "true", false)]
    {
        let (fields, properties) = (made.fields.clone(), vec![takes(word)]);
        let new = NewCollection { fields, properties, ..NewCollection::default() };
        client.create_collection(&name, new).await.unwrap();
        proxy.pose_as(version);
        let sink = sink(&proxy.uri, json!({ "on_conflict": "insert" }));
        assert_eq!(sink.plan(&table(&name)).await.is_ok(), taken, "{version} {word}");
        client.drop_collection(&name).await.unwrap();
    }
}

#[test]
fn settings_about_ids_that_nobody_keeps() {
    let refused = |more: Value| {
        let mut all = new_ids();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let error = try_sink("http://127.0.0.1:1", all).err().unwrap();
        assert_eq!(error.kind(), Kind::Config);
        error.to_string()
    };
    assert!(refused(json!({ "on_conflict": "skip" })).contains("on_conflict: skip never"));
    assert!(refused(json!({ "on_conflict": "upsert" })).contains("on_conflict: upsert never"));
    assert!(refused(json!({ "ids_file": "ids" })).contains("lists the source's ids"));
}

#[tokio::test]
async fn a_count_tells_whether_rows_arrived_whose_answer_was_lost() {
    for server in Server::both() {
        let name = server.fresh("counted").await;
        let faults = [Fault::LoseAnswer, Fault::LoseRequest, Fault::LoseAnswer];
        let proxy = Proxy::start(&server.uri, &faults).await;
        let sink = sink(&proxy.uri, hasty());
        let batches = vec![rows(0..50, 1.0), rows(50..60, 1.0), rows(60..70, 1.0)];
        let moved = move_rows(&*sink, &table(&name), batches).await.unwrap();
        assert_eq!((moved.written.rows, moved.completion.rows_after), (70, 70));
        // The second was sent twice.
        assert_eq!(proxy.calls().len(), 4);
        assert_eq!(values(&server, &name).await, once(0..70));
        server.remove(&name).await;
    }
}

/// Statistics count rows that were deleted, until the server tidies up.
#[tokio::test]
async fn a_lost_answer_stops_a_run_whose_target_is_not_counted_exactly() {
    let server = Server::milvus();
    let name = server.fresh("not_counted").await;
    move_rows(&*sink(&server.uri, new_ids()), &table(&name), vec![]).await.unwrap();
    let proxy = Proxy::start(&server.uri, &[Fault::LoseAnswer]).await;
    let sink = sink(&proxy.uri, new_ids());
    let error = move_rows(&*sink, &table(&name), vec![rows(0..5, 1.0)]).await.unwrap_err();
    assert_eq!(error.retry_advice(), Retry::Ambiguous);
    let words = error.to_string();
    assert!(
        words.contains("5 rows may be in") && words.contains("with keep_ids: false"),
        "{words}"
    );
    assert_eq!(proxy.calls().len(), 1);
    server.remove(&name).await;
}

fn batch(rows: RecordBatch, first_row: u64) -> Batch {
    Batch { rows, place: Place::new("t", 0, first_row), permit: Permit::free() }
}

/// Whether all, some or none of the rows in doubt arrived, each is there once.
#[tokio::test]
async fn rows_in_doubt_are_there_once_with_new_ids() {
    let split = Split { index: 0, first_row: 0, rows: 10, bytes: 0, location: Value::Null };
    for server in Server::both() {
        for arrived in [4..4, 4..6, 4..8, 4..9] {
            let name = server.fresh("new_doubt").await;
            let first = sink(&server.uri, new_ids());
            let plan = first.plan(&table(&name)).await.unwrap();
            let writer = first.prepare(&table(&name), &plan, &Start::Fresh, Arc::default()).await;
            let writer = writer.unwrap();
            let mut open = writer.open_split(&split).await.unwrap();
            open.write(batch(rows(0..4, 1.0), 0)).await.unwrap();
            if !arrived.is_empty() {
                open.write(batch(rows(arrived.clone(), 1.0), 4)).await.unwrap();
            }
            let memo = writer.memo();
            drop(open);
            let totals = Totals { rows_read: 4, rows_written: 4, ..Totals::default() };
            let progress = SplitProgress {
                settled: 4,
                sent: 8,
                finished: false,
                totals,
                ..SplitProgress::default()
            };
            let splits = vec![EarlierSplit { first_row: 0, rows: 10, progress, receipt: None }];
            let start = Start::GoOn(Earlier { memo, splits });
            let again = sink(&server.uri, hasty());
            let writer = again.prepare(&table(&name), &plan, &start, Arc::default()).await;
            if arrived.end > 8 {
                let words = writer.err().expect("more than can be").to_string();
                assert!(
                    words.contains("4 rows of")
                        && words.contains("it holds 9 rows, 0 before and 4 by"),
                    "{words}"
                );
            } else {
                let writer = writer.unwrap();
                let mut open = writer.open_split(&split).await.unwrap();
                let repeated = open.repeat(batch(rows(4..7, 1.0), 4)).await.unwrap();
                let more = open.repeat(batch(rows(7..8, 1.0), 7)).await.unwrap();
                assert_eq!((repeated.rows, more.rows), (3, 1));
                open.write(batch(rows(8..10, 1.0), 8)).await.unwrap();
                open.finish().await.unwrap();
                assert_eq!(writer.complete().await.unwrap().rows_after, 10, "{arrived:?}");
                assert_eq!(values(&server, &name).await, once(0..10), "{arrived:?}");
            }
            server.remove(&name).await;
        }
    }
}

/// Splits are sent one after the other: who waits holds no memory that the others need.
#[tokio::test(flavor = "multi_thread")]
async fn splits_that_wait_for_their_turn_hold_no_memory() {
    let server = Server::lite();
    for memory in [1 << 10, 1 << 20] {
        let name = server.fresh("new_turns").await;
        let source = json!({ "rows": 1_200, "dim": 4, "split_rows": 40, "table": name });
        let busy = [Fault::RateLimit, Fault::None, Fault::LoseAnswer, Fault::None];
        let proxy = Proxy::start(&server.uri, &busy.repeat(3)).await;
        let sink = parallel_sink(&proxy.uri, hasty(), 16);
        let source = source_of("synthetic", source);
        let (_, outcome) =
            run_pipeline(source, sink, settings(16, memory), Controls::default()).await;
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        let held = read_back(&server.client().await, &name).await;
        assert_eq!(held.len(), 1_200);
        server.remove(&name).await;
    }
}
