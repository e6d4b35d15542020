//! Failures while writing: nothing is lost, nothing is doubled, and the user learns of it.

use std::time::Duration;

use crate::proxy::{Fault, Proxy};
use crate::support::*;
use serde_json::json;
use vecpipe::error::{Kind, Retry};
use vecpipe::milvus::v2::collection::NewCollection;
use vecpipe::milvus::v2::proto::common::KeyValuePair;
use vecpipe::milvus::v2::{Client, Options};

/// Rows and distinct ids, as the server counts and lists them.
async fn count_and_ids(client: &Client, collection: &str) -> (u64, usize) {
    let partitions = client.partitions(collection).await.unwrap();
    client.load_missing(collection, &partitions, true).await.unwrap();
    let count = client.count(collection, &[]).await.unwrap();
    (count, read_back(client, collection).await.len())
}

#[tokio::test]
async fn a_lost_answer_is_repeated_and_doubles_nothing() {
    for server in Server::both() {
        let name = server.fresh("lost").await;
        let proxy = Proxy::start(&server.uri, &[Fault::LoseAnswer, Fault::LoseRequest]).await;
        let sink = sink(&proxy.uri, json!({}));
        let moved = move_rows(&*sink, &table(&name), vec![rows(0..50, 1.0)]).await.unwrap();
        assert_eq!((moved.written.rows, moved.completion.rows_after), (50, 50));
        assert_eq!(moved.retries, 2);
        let calls: Vec<_> = proxy.calls().into_iter().map(|(name, _)| name).collect();
        // Milvus Lite replaces by itself.
        let verb = if server.lite { "Insert" } else { "Upsert" };
        assert_eq!(calls, [verb; 3]);
        let client = server.client().await;
        assert_eq!(count_and_ids(&client, &name).await, (50, 50));
        client.drop_collection(&name).await.unwrap();
    }
}

/// Milvus Lite numbers rows before it stores them. Rows that were numbered before a flush, and stored after it, made
/// each later flush fail, or were not counted.
#[tokio::test]
async fn nothing_is_flushed_while_rows_are_on_their_way_to_milvus_lite() {
    let server = Server::lite();
    let (slow, quick) = (server.fresh("slow").await, server.fresh("quick").await);
    let proxy = Proxy::start(&server.uri, &[Fault::Delay(Duration::from_millis(500))]).await;
    let sink = sink(&proxy.uri, json!({}));
    let (slow, quick) = (table(&slow), table(&quick));
    let moved = tokio::join!(
        move_rows(&*sink, &slow, vec![rows(0..50, 1.0)]),
        move_rows(&*sink, &quick, vec![rows(0..50, 1.0)]),
    );
    for moved in [moved.0.unwrap(), moved.1.unwrap()] {
        assert_eq!(moved.completion.rows_after, 50);
    }
    let calls = proxy.all_calls();
    let beside: Vec<_> = calls.iter().filter(|c| c.name == "Flush").map(|c| c.beside).collect();
    assert_eq!(beside, [0, 0]);
    for table in [slow, quick] {
        server.remove(&table.name).await;
    }
}

/// Milvus Lite refuses to make a collection twice, also where nobody heard that it was made once.
#[tokio::test]
async fn a_collection_whose_making_was_not_answered_is_made() {
    for server in Server::both() {
        for lost in ["CreateCollection", "CreatePartition", "CreateIndex"] {
            let name = server.fresh("made_unheard").await;
            let mut faults = [Fault::LoseAnswer].into_iter();
            let script = move |call: &str| match call == lost {
                true => faults.next().unwrap_or(Fault::None),
                false => Fault::None,
            };
            let proxy = Proxy::scripted(&server.uri, Box::new(script)).await;
            // The deadline of the one without an answer is waited for.
            let timeouts = json!({ "request": "1s", "connect": "5s" });
            let sink = sink(&proxy.uri, json!({ "partition": "p", "timeouts": timeouts }));
            let moved = move_rows(&*sink, &table(&name), vec![rows(0..5, 1.0)]).await.unwrap();
            assert_eq!(moved.completion.rows_after, 5, "{lost}");
            // A server that has much to do may miss the deadline of the second one, too.
            let calls = proxy.all_calls();
            let sent = calls.iter().filter(|call| call.name == lost).count();
            assert!(sent >= 2, "{lost}: {sent}");
            server.client().await.drop_collection(&name).await.unwrap();
        }
    }
}

/// A collection that is there, and is not the one that was asked for, is nobody's lost answer.
#[tokio::test]
async fn a_collection_that_somebody_else_made_is_not_taken_for_our_own() {
    let server = Server::lite();
    let name = server.fresh("other_form").await;
    let client = server.client().await;
    let sink = sink(&server.uri, json!({}));
    move_rows(&*sink, &table(&name), vec![]).await.unwrap();
    let made = client.describe_collection(&name).await.unwrap().unwrap();
    let mut fields = made.fields.clone();
    let create = async |fields: &[_], run: &str| {
        let run = KeyValuePair { key: "vecpipe.made_by".to_owned(), value: run.to_owned() };
        let (fields, properties) = (fields.to_vec(), vec![run]);
        let new = NewCollection { fields, properties, ..NewCollection::default() };
        client.create_collection(&name, new).await
    };
    let run = made.property("vecpipe.made_by").unwrap();
    create(&fields, run).await.unwrap();
    create(&fields, "another's").await.unwrap_err();
    fields[0].name = "other".to_owned();
    create(&fields, run).await.unwrap_err();
    client.drop_collection(&name).await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_stops_an_insert_that_could_double_rows() {
    let server = Server::milvus();
    let name = server.fresh("lost_insert").await;
    move_rows(&*sink(&server.uri, json!({})), &table(&name), vec![]).await.unwrap();
    for (settings, fault) in [
        (json!({ "on_conflict": "insert" }), Fault::LoseAnswer),
        (json!({ "on_duplicate_id": "allow" }), Fault::LoseRequest),
    ] {
        let proxy = Proxy::start(&server.uri, &[fault]).await;
        let sink = sink(&proxy.uri, settings);
        let ids = proxy_free_ids(fault);
        let error = move_rows(&*sink, &table(&name), vec![rows(ids, 1.0)]).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_advice()), (Kind::Target, Retry::Ambiguous));
        let words = error.to_string();
        assert!(
            words.contains("Insert got no answer") && words.contains("could double"),
            "{words}"
        );
        assert_eq!(proxy.calls().len(), 1);
    }
    server.client().await.drop_collection(&name).await.unwrap();
}

/// After an insert whose answer was lost, a refused repetition says nothing about the insert.
#[tokio::test]
async fn a_refused_repetition_leaves_the_doubt_about_the_first_try() {
    let server = Server::milvus();
    let name = server.fresh("doubt").await;
    for second in [Fault::Refuse, Fault::LargerThanMax] {
        let proxy = Proxy::start(&server.uri, &[Fault::LoseAnswer, second]).await;
        let sink = sink(&proxy.uri, json!({ "mode": "overwrite" }));
        let moved = move_rows(&*sink, &table(&name), vec![rows(0..10, 1.0)]).await;
        let words = moved.unwrap_err().to_string();
        assert!(words.contains("10 of these rows may be in"), "{words}");
        let calls: Vec<_> = proxy.calls().into_iter().map(|(name, _)| name).collect();
        assert_eq!(calls, ["Upsert", "Upsert"], "after {second:?}");
    }
    server.remove(&name).await;
}

/// Ids that are new in each round.
fn proxy_free_ids(fault: Fault) -> std::ops::Range<i64> {
    if matches!(fault, Fault::LoseAnswer) { 0..10 } else { 100..110 }
}

#[tokio::test]
async fn an_answer_that_never_comes_ends_at_the_deadline() {
    let server = Server::lite();
    let name = server.fresh("silence").await;
    let proxy = Proxy::start(&server.uri, &[Fault::Silence]).await;
    let sink = sink(&proxy.uri, json!({ "timeouts": { "request": "700ms", "connect": "5s" } }));
    let moved = move_rows(&*sink, &table(&name), vec![rows(0..5, 1.0)]).await.unwrap();
    assert_eq!((moved.completion.rows_after, moved.retries), (5, 1));
    server.client().await.drop_collection(&name).await.unwrap();
}

#[tokio::test]
async fn a_rate_limit_is_waited_out() {
    let server = Server::lite();
    let name = server.fresh("rate").await;
    let proxy = Proxy::start(&server.uri, &[Fault::RateLimit; 3]).await;
    let sink = sink(&proxy.uri, json!({}));
    let moved = move_rows(&*sink, &table(&name), vec![rows(0..20, 1.0)]).await.unwrap();
    assert_eq!((moved.completion.rows_after, moved.retries), (20, 3));
    // From four at once to two and one, and with the answer at last to two again.
    assert_eq!(sink.write_load().map(|load| load.writes), Some(2));
    let calls: Vec<_> = proxy.calls().into_iter().map(|(name, _)| name).collect();
    assert_eq!(calls, ["Insert"; 4]);
    server.client().await.drop_collection(&name).await.unwrap();
}

#[tokio::test]
async fn trying_again_ends_when_its_time_is_up() {
    let server = Server::lite();
    let name = server.fresh("retry_for").await;
    let proxy = Proxy::start(&server.uri, &[Fault::RateLimit; 50]).await;
    let sink = sink(&proxy.uri, json!({ "retry_for": "600ms" }));
    let error = move_rows(&*sink, &table(&name), vec![rows(0..20, 1.0)]).await.unwrap_err();
    let words = error.to_string();
    assert!(
        words.contains("rejected by grpc RateLimiter") && words.contains("rows 0 to 20"),
        "{words}"
    );
    server.client().await.drop_collection(&name).await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_too_large_is_sent_in_parts_and_the_size_remembered() {
    let server = Server::lite();
    let name = server.fresh("larger").await;
    let proxy = Proxy::start(&server.uri, &[]).await;
    proxy.limit(10_000);
    let sink = sink(&proxy.uri, json!({}));
    let other = server.fresh("larger_other").await;
    let refused = || proxy.calls().iter().filter(|(_, bytes)| *bytes >= 10_000).count();
    // What the first table learns holds for all that goes to this server.
    for (name, ids) in [(&name, 0..1_000), (&name, 1_000..2_000), (&other, 0..1_000)] {
        let plan = sink.plan(&table(name)).await.unwrap();
        let start = vecpipe::sink::Start::Fresh;
        let writer = sink.prepare(&table(name), &plan, &start, Default::default()).await.unwrap();
        let end = ids.end as u64;
        write(&*writer, rows(ids, 1.0)).await;
        assert_eq!(writer.complete().await.unwrap().rows_after, end);
        assert_eq!(refused(), 1, "{:?}", proxy.calls());
        assert!(sink.write_load().is_some_and(|load| load.request_bytes < 10_000));
    }
    server.remove(&name).await;
    server.remove(&other).await;
}

#[tokio::test]
async fn one_row_that_is_too_large_is_an_error() {
    let server = Server::lite();
    let name = server.fresh("one_row").await;
    let proxy = Proxy::start(&server.uri, &[]).await;
    proxy.limit(20);
    let sink = sink(&proxy.uri, json!({}));
    let error = move_rows(&*sink, &table(&name), vec![rows(0..2, 1.0)]).await.unwrap_err();
    let words = error.to_string();
    assert!(words.contains("A row alone is") && words.contains("larger than max"), "{words}");
    assert!(words.contains("row 0 (id 0)"), "{words}");
    server.client().await.drop_collection(&name).await.unwrap();
}

/// What passes is waited out, each in its own words.
#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let server = Server::lite();
    let name = server.fresh("passing").await;
    let passing = [
        Fault::Grpc(14, "the server is shutting down"),
        Fault::Grpc(4, "context deadline exceeded"),
        Fault::Grpc(8, "too many requests"),
        Fault::Status(10_001, 1, "context deadline exceeded"),
        Fault::Status(9, 48, "quota exceeded[reason=memory quota exceeded]"),
        Fault::Status(1, 56, "service not ready[proxy=1]: Initializing"),
        Fault::Status(0, 45, "not shard leader"),
        Fault::Status(103, 1, "collection not fully loaded"),
        Fault::Status(0, 46, "no replica available"),
    ];
    for (n, fault) in (0..).zip(passing) {
        let proxy = Proxy::start(&server.uri, &[fault]).await;
        let batches = vec![rows(n * 10..n * 10 + 10, 1.0)];
        let moved = move_rows(&*sink(&proxy.uri, json!({})), &table(&name), batches).await;
        let moved = moved.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!((moved.written.rows, moved.retries), (10, 1), "{fault:?}");
    }
    let all = passing.len() as u64 * 10;
    assert_eq!(count_and_ids(&server.client().await, &name).await, (all, all as usize));
    server.remove(&name).await;
}

#[tokio::test]
async fn what_does_not_pass_fails_at_once() {
    let server = Server::lite();
    let name = server.fresh("final").await;
    for (fault, kind, words) in [
        (Fault::Grpc(16, "auth check failure"), Kind::Connect, "check token"),
        (Fault::Grpc(7, "not for you"), Kind::Connect, "the user's privileges"),
        (Fault::Grpc(3, "bad request"), Kind::Target, "bad request"),
        (Fault::Grpc(12, "unknown method"), Kind::Target, "unknown method"),
        (Fault::Status(1100, 5, "field x has another type"), Kind::Target, "another type"),
        (Fault::Status(100, 4, "collection not found"), Kind::Target, "collection not found"),
    ] {
        let proxy = Proxy::start(&server.uri, &[fault]).await;
        let sink = sink(&proxy.uri, json!({ "mode": "overwrite" }));
        let error = move_rows(&*sink, &table(&name), vec![rows(0..10, 1.0)]).await.unwrap_err();
        let told = error.to_string();
        assert_eq!(error.kind(), kind, "{fault:?}: {told}");
        assert!(told.contains(words) && told.contains("rows 0 to 10"), "{fault:?}: {told}");
        assert_eq!(proxy.calls().len(), 1, "{fault:?}");
    }
    server.remove(&name).await;
}

/// With whatever passing failure it is spent, the time to try again ends in a failure.
#[tokio::test]
async fn a_limit_of_time_ends_every_kind_of_trying_again() {
    let server = Server::lite();
    let name = server.fresh("time_up").await;
    for fault in [
        Fault::RateLimit,
        Fault::LoseRequest,
        Fault::Grpc(14, "the server is shutting down"),
        Fault::Status(1, 56, "service not ready[proxy=1]: Initializing"),
    ] {
        let proxy = Proxy::start(&server.uri, &[fault; 100]).await;
        let sink = sink(&proxy.uri, json!({ "mode": "overwrite", "retry_for": "500ms" }));
        let moved = move_rows(&*sink, &table(&name), vec![rows(0..10, 1.0)]).await;
        let error = moved.expect_err("the rows are not there");
        assert_eq!(error.kind(), Kind::Target, "{fault:?}: {error}");
        // It was tried more than once.
        assert!(proxy.calls().len() > 1, "{fault:?}");
    }
    server.remove(&name).await;
}

#[tokio::test]
async fn a_server_short_of_memory_gets_smaller_requests() {
    let server = Server::lite();
    let name = server.fresh("memory").await;
    let quota = Fault::Status(9, 48, "quota exceeded[reason=memory quota exceeded]");
    // Also where there is only one at once.
    for workers in [1, 8] {
        let proxy = Proxy::start(&server.uri, &[quota; 3]).await;
        let sink = parallel_sink(&proxy.uri, json!({ "mode": "overwrite" }), workers);
        let before = sink.write_load().unwrap();
        assert_eq!(before.writes, workers);
        move_rows(&*sink, &table(&name), vec![rows(0..20, 1.0)]).await.unwrap();
        let after = sink.write_load().unwrap();
        assert_eq!(after.request_bytes, before.request_bytes / 8);
    }
    server.remove(&name).await;
}

/// Milvus Lite answers so when it lists collections while one is dropped.
#[tokio::test]
async fn a_list_that_a_dropped_collection_breaks_is_asked_for_again() {
    let server = Server::lite();
    let broken = Fault::Status(100, 4, "collection 'gone' does not exist");
    let list_after = async |failures: usize| {
        let mut left = failures;
        let script = move |call: &str| match call {
            "ShowCollections" if left > 0 => {
                left -= 1;
                broken
            }
            _ => Fault::None,
        };
        let proxy = Proxy::scripted(&server.uri, Box::new(script)).await;
        let client = Client::connect(Options::new(&*proxy.uri)).await.unwrap();
        (client.collections().await, proxy.all_calls().len())
    };
    list_after(3).await.0.expect("the list that comes at last");
    let (refused, calls) = list_after(usize::MAX).await;
    assert!(refused.unwrap_err().to_string().contains("collection 'gone' does not exist"));
    assert!(calls < 50, "{calls} calls");
}
