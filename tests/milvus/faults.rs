//! Failures while writing: nothing is lost, nothing is doubled, and the user learns of it.

use crate::proxy::{Fault, Proxy};
use crate::support::*;
use serde_json::json;
use vecpipe::error::{Kind, Retry};
use vecpipe::milvus::v2::Client;
use vecpipe::milvus::v2::proto::common::KeyValuePair;

/// Rows and distinct ids, as the server counts and lists them.
async fn count_and_ids(client: &Client, collection: &str) -> (u64, usize) {
    let partitions = client.partitions(collection).await.unwrap();
    client.load_missing(collection, &partitions, true).await.unwrap();
    let count = client.count(collection, &[]).await.unwrap();
    (count, read_back(client, collection).await.len())
}

#[tokio::test]
async fn a_lost_answer_is_followed_by_an_upsert_and_doubles_nothing() {
    for server in Server::both() {
        let name = server.fresh("lost").await;
        let proxy = Proxy::start(&server.uri, &[Fault::LoseAnswer, Fault::LoseRequest]).await;
        let sink = sink(&proxy.uri, json!({}));
        let moved = move_rows(&*sink, &table(&name), vec![rows(0..50, 1.0)]).await.unwrap();
        assert_eq!((moved.written.rows, moved.completion.rows_after), (50, 50));
        assert_eq!(moved.retries, 2);
        let calls: Vec<_> = proxy.calls().into_iter().map(|(name, _)| name).collect();
        // Milvus Lite replaces by itself.
        let again = if server.lite { "Insert" } else { "Upsert" };
        assert_eq!(calls, ["Insert", again, again]);
        let client = server.client().await;
        assert_eq!(count_and_ids(&client, &name).await, (50, 50));
        client.drop_collection(&name).await.unwrap();
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
            let sink = sink(&proxy.uri, json!({ "partition": "p" }));
            let moved = move_rows(&*sink, &table(&name), vec![rows(0..5, 1.0)]).await.unwrap();
            assert_eq!(moved.completion.rows_after, 5, "{lost}");
            let calls = proxy.all_calls();
            assert_eq!(calls.iter().filter(|call| call.name == lost).count(), 2, "{lost}");
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
        client.create_collection(&name, "", fields.to_vec(), vec![run]).await
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
        assert_eq!(calls, ["Insert", "Upsert"], "after {second:?}");
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
    let plan = sink.plan(&table(&name)).await.unwrap();
    let writer = sink
        .prepare(&table(&name), &plan, &vecpipe::sink::Start::Fresh, Default::default())
        .await
        .unwrap();
    let write = async |ids| {
        let split = vecpipe::table::Split {
            index: 0,
            first_row: 0,
            rows: 1_000,
            bytes: 0,
            location: serde_json::Value::Null,
        };
        let place = vecpipe::table::Place::new("t", 0, 0);
        let batch = vecpipe::flow::Batch {
            rows: rows(ids, 1.0),
            place,
            permit: vecpipe::flow::Permit::free(),
        };
        writer.open_split(&split).await.unwrap().write(batch).await.unwrap();
    };
    write(0..1_000).await;
    let refused = proxy.calls().iter().filter(|(_, bytes)| *bytes >= 10_000).count();
    assert_eq!(refused, 1, "{:?}", proxy.calls());
    write(1_000..2_000).await;
    let refused_later = proxy.calls().iter().filter(|(_, bytes)| *bytes >= 10_000).count();
    assert_eq!(refused_later, refused);
    assert_eq!(writer.complete().await.unwrap().rows_after, 2_000);
    server.client().await.drop_collection(&name).await.unwrap();
}

#[tokio::test]
async fn one_row_that_is_too_large_is_an_error() {
    let server = Server::lite();
    let name = server.fresh("one_row").await;
    let proxy = Proxy::start(&server.uri, &[]).await;
    proxy.limit(20);
    let sink = sink(&proxy.uri, json!({}));
    let error = move_rows(&*sink, &table(&name), vec![rows(0..2, 1.0)]).await.unwrap_err();
    assert!(error.to_string().contains("larger than max"), "{error}");
    server.client().await.drop_collection(&name).await.unwrap();
}
