//! Going on with a collection that an interrupted run began to fill.

use std::sync::Arc;

use arrow_array::RecordBatch;
use serde_json::{Value, json};
use vecpipe::flow::{Batch, Permit, SplitProgress, Totals};
use vecpipe::sink::{
    Completion, Decision, Earlier, EarlierSplit, Start, TableWriter, TargetPlan, Written,
};
use vecpipe::table::{Place, Split};

use crate::proxy::Proxy;
use crate::support::{Server, move_rows, read_back, rows, sink, table};

fn batch(rows: RecordBatch, first_row: u64) -> Batch {
    Batch { rows, place: Place::new("t", 0, first_row), permit: Permit::free() }
}

fn split(rows: u64) -> Split {
    Split { index: 0, first_row: 0, rows, bytes: 0, location: Value::Null }
}

/// A run of one split of ten rows, of which four are settled and eight were sent.
fn earlier(memo: Value) -> Start {
    let totals = Totals { rows_read: 4, rows_written: 4, ..Totals::default() };
    let progress =
        SplitProgress { settled: 4, sent: 8, finished: false, totals, ..SplitProgress::default() };
    Start::GoOn(Earlier {
        memo,
        splits: vec![EarlierSplit { first_row: 0, rows: 10, progress, receipt: None }],
    })
}

/// A run that writes rows 0 to 3, then some of rows 4 to 7 that it does not hear of any more.
async fn cut_off(
    server: &Server,
    settings: &Value,
    name: &str,
    arrived: std::ops::Range<i64>,
) -> (TargetPlan, Value) {
    let sink = sink(&server.uri, settings.clone());
    let plan = sink.plan(&table(name)).await.unwrap();
    let prepared = sink.prepare(&table(name), &plan, &Start::Fresh, Arc::default()).await;
    let writer = prepared.unwrap();
    let memo = writer.memo();
    let mut split = writer.open_split(&split(10)).await.unwrap();
    split.write(batch(rows(0..4, 1.0), 0)).await.unwrap();
    if !arrived.is_empty() {
        split.write(batch(rows(arrived, 1.0), 4)).await.unwrap();
    }
    sink.close().await;
    (plan, memo)
}

/// Repeats what is in doubt, writes the rest, and completes.
async fn go_on(writer: &dyn TableWriter) -> (Written, Completion) {
    let mut split = writer.open_split(&split(10)).await.unwrap();
    let repeated = split.repeat(batch(rows(4..8, 1.0), 4)).await.unwrap();
    split.write(batch(rows(8..10, 1.0), 8)).await.unwrap();
    split.finish().await.unwrap();
    (repeated, writer.complete().await.unwrap())
}

/// Whether all, some or none of the rows in doubt arrived, each is there once.
#[tokio::test]
async fn rows_in_doubt_are_there_once() {
    let fail = json!({});
    let (skip, upsert) = (json!({ "on_conflict": "skip" }), json!({ "on_conflict": "upsert" }));
    for server in Server::both() {
        let client = server.client().await;
        for (settings, there, arrived) in [
            (&fail, false, 4..8),
            (&fail, true, 4..4),
            (&fail, true, 4..6),
            (&skip, true, 4..6),
            (&upsert, true, 4..6),
        ] {
            let name = server.fresh("in_doubt").await;
            let before = if there { 100 } else { 0 };
            if there {
                let old = vec![rows(1000..1100, 1.0)];
                move_rows(&*sink(&server.uri, json!({})), &table(&name), old).await.unwrap();
            }
            let came = arrived.end as u64 - 4;
            let (plan, memo) = cut_off(&server, settings, &name, arrived).await;
            let again = sink(&server.uri, settings.clone());
            let start = earlier(memo);
            let writer = again.prepare(&table(&name), &plan, &start, Arc::default()).await.unwrap();
            let (repeated, completion) = go_on(&*writer).await;
            again.close().await;
            let case = format!("{settings}, {came} of 4 had arrived, {plan:?}");
            assert_eq!(repeated.rows + repeated.skipped, 4, "{case}");
            let expected = Completion { rows_before: before, rows_after: before + 10 };
            assert_eq!(completion, expected, "{case}");
            // What is uncertain bounds by how much the counts may differ.
            let growth = 4 + repeated.rows - repeated.replaced + 2;
            assert!((growth..=growth + repeated.uncertain).contains(&10), "{case}");
            let all = read_back(&client, &name).await;
            let ids: Vec<_> = all.iter().map(|(id, _)| *id).filter(|id| *id < 1000).collect();
            assert_eq!(ids, (0..10).collect::<Vec<_>>(), "{case}");
            client.drop_collection(&name).await.unwrap();
        }
    }
}

/// Without an index nothing can be looked up or counted exactly, and the rules may let ids be there
/// already: then nobody can tell, and the run says so.
#[tokio::test]
async fn rows_that_nothing_tells_of_stop_the_run() {
    let server = Server::milvus();
    let client = server.client().await;
    let name = server.fresh("cannot_tell").await;
    let settings = json!({ "on_duplicate_id": "allow" });
    let (plan, memo) = cut_off(&server, &settings, &name, 4..8).await;
    let again = sink(&server.uri, settings);
    let error = again
        .prepare(&table(&name), &plan, &earlier(memo), Arc::default())
        .await
        .err()
        .expect("nobody can tell");
    insta::assert_snapshot!(error.to_string().replace(&name, "NAME"), @"
    4 rows of NAME may be in collection NAME or not: the interrupted run had sent them, and its rules for ids let nobody tell
      help: compare the two; then begin anew with --restart, into an empty target or with on_conflict: upsert or skip
    ");
    client.drop_collection(&name).await.unwrap();
}

/// What a run made before it was cut off is its own, whatever the mode says of what was there.
#[tokio::test]
async fn what_was_made_is_taken_up_again() {
    for server in Server::both() {
        let client = server.client().await;
        for mode in ["append", "skip", "overwrite"] {
            let name = server.fresh("made").await;
            let settings = json!({ "mode": mode });
            let first = sink(&server.uri, settings.clone());
            let plan = first.plan(&table(&name)).await.unwrap();
            assert_eq!(plan.decision, Decision::Create);
            first.prepare(&table(&name), &plan, &Start::Fresh, Arc::default()).await.unwrap();
            first.close().await;
            if mode != "overwrite" {
                let stranger = sink(&server.uri, settings.clone());
                let to_write = table(&name);
                let fresh = stranger.prepare(&to_write, &plan, &Start::Fresh, Arc::default());
                assert!(fresh.await.is_err(), "{mode}: it came from somewhere");
            }
            let again = sink(&server.uri, settings.clone());
            let writer = again.prepare(&table(&name), &plan, &Start::Again, Arc::default()).await;
            let writer = writer.unwrap();
            let mut split = writer.open_split(&split(4)).await.unwrap();
            split.write(batch(rows(0..4, 1.0), 0)).await.unwrap();
            split.finish().await.unwrap();
            let expected = Completion { rows_before: 0, rows_after: 4 };
            assert_eq!(writer.complete().await.unwrap(), expected, "{mode}");
            client.drop_collection(&name).await.unwrap();
        }
    }
}

/// A run that was killed just after it had made a collection left it without its index, and the next
/// one filled it so.
#[tokio::test]
async fn an_index_that_an_interrupted_run_did_not_come_to_is_made() {
    for server in Server::both() {
        let client = server.client().await;
        for (mode, partition) in [("append", false), ("append", true), ("overwrite", false)] {
            let name = server.fresh("cut_before_index").await;
            if mode == "overwrite" {
                let old = vec![rows(0..3, 2.0)];
                move_rows(&*sink(&server.uri, json!({})), &table(&name), old).await.unwrap();
            }
            let mut settings = json!({ "mode": mode });
            if partition {
                settings["partition"] = json!("p");
            }
            // Neither made nor cleared away, as when the run is killed in between.
            let proxy = Proxy::start(&server.uri, &[]).await;
            proxy.refuse("CreateIndex", &[true]);
            proxy.refuse("DropCollection", &[true]);
            let first = sink(&proxy.uri, settings.clone());
            let plan = first.plan(&table(&name)).await.unwrap();
            let begun = first.prepare(&table(&name), &plan, &Start::Fresh, Arc::default()).await;
            assert!(begun.is_err(), "the index is refused");
            first.close().await;
            let again = sink(&server.uri, settings);
            let writer = again.prepare(&table(&name), &plan, &Start::Again, Arc::default()).await;
            crate::support::write(&*writer.unwrap(), rows(0..4, 1.0)).await;
            let filled = match mode {
                "overwrite" => {
                    let run = &plan.publish.as_ref().unwrap().run;
                    format!("{name}_vecpipe_new_{run}")
                }
                _ => name.clone(),
            };
            let indexes = client.indexes(&filled).await.unwrap();
            assert_eq!(indexes.len(), 1, "{mode}, {partition}: {indexes:?}");
            again.close().await;
            server.remove(&name).await;
        }
    }
}

#[tokio::test]
async fn a_target_that_is_gone_is_not_made_again() {
    let server = Server::milvus();
    let name = server.fresh("gone").await;
    let (plan, memo) = cut_off(&server, &json!({}), &name, 4..4).await;
    server.client().await.drop_collection(&name).await.unwrap();
    let again = sink(&server.uri, json!({}));
    let gone = again.prepare(&table(&name), &plan, &earlier(memo), Arc::default()).await;
    let error = gone.err().expect("it is gone").to_string();
    assert_eq!(
        error.replace(&name, "NAME"),
        "collection NAME is gone, which the interrupted run filled\n  help: begin anew with --restart"
    );
}
