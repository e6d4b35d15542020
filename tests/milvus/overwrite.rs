//! Overwriting a collection: the old rows stay until the new ones are in their place, wherever a
//! run is cut off, and the next run sets right what that left behind.

use std::sync::Arc;

use serde_json::json;
use vecpipe::error::Kind;
use vecpipe::flow::Controls;
use vecpipe::sink::{Decision, Sink, TableToWrite, TargetPlan};
use vecpipe::table::Part;

use crate::common::components::source as source_of;
use crate::common::{run_pipeline, settings};
use crate::proxy::{Fault, Proxy};
use crate::support::*;

fn overwriting(uri: &str) -> Box<dyn Sink> {
    sink(uri, json!({ "mode": "overwrite" }))
}

/// The run that is cut off, and the one that comes after it.
const RUN: &str = "6928000001234567";
const NEXT: &str = "6928000101234567";

/// The run that is cut off.
fn first_run(uri: &str) -> Box<dyn Sink> {
    let sink = overwriting(uri);
    sink.set_run(RUN, &[]);
    sink
}

/// One that takes its place.
fn next_run(uri: &str) -> Box<dyn Sink> {
    let sink = overwriting(uri);
    sink.set_run(NEXT, &[RUN.to_owned()]);
    sink
}

fn appending(uri: &str) -> Box<dyn Sink> {
    sink(uri, json!({}))
}

/// A collection of ten rows, 0 to 9.
async fn with_old_rows(server: &Server, test: &str) -> String {
    let name = server.fresh(test).await;
    move_rows(&*appending(&server.uri), &table(&name), vec![rows(0..10, 1.0)]).await.unwrap();
    name
}

async fn ids(server: &Server, name: &str) -> Vec<i64> {
    let rows = read_back(&server.client().await, name).await;
    rows.into_iter().map(|(id, _)| id).collect()
}

fn range(ids: std::ops::Range<i64>) -> Vec<i64> {
    ids.collect()
}

/// What the run that comes after the first one fills.
fn next_new(name: &str) -> String {
    format!("{name}_vecpipe_new_{NEXT}")
}

/// The names beside a collection.
fn beside(name: &str) -> (String, String) {
    (format!("{name}_vecpipe_new_{RUN}"), format!("{name}_vecpipe_old_{RUN}"))
}

async fn notes(server: &Server, name: &str) -> Vec<String> {
    let plan = next_run(&server.uri).plan(&table(name)).await.unwrap();
    assert_eq!(plan.decision, Decision::Overwrite);
    plan.notes
}

#[tokio::test]
async fn a_run_that_fails_leaves_the_old_rows_and_the_next_one_replaces_them() {
    for server in Server::both() {
        let name = with_old_rows(&server, "cut_off").await;
        let (new, _) = beside(&name);
        let proxy = Proxy::start(&server.uri, &[Fault::None, Fault::Refuse]).await;
        let batches = vec![rows(100..110, 1.0), rows(110..120, 1.0)];
        let error = move_rows(&*first_run(&proxy.uri), &table(&name), batches).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Target);
        assert_eq!(server.collections_like(&name).await, [&*name, &*new]);
        assert_eq!(ids(&server, &name).await, range(0..10));

        let told = notes(&server, &name).await;
        assert_eq!(told[0], format!("{new}, which run {RUN} left unfinished, is dropped first"));
        let batches = vec![rows(200..230, 1.0)];
        let moved = move_rows(&*next_run(&server.uri), &table(&name), batches).await.unwrap();
        assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (0, 30));
        assert_eq!(server.collections_like(&name).await, [&*name]);
        assert_eq!(ids(&server, &name).await, range(200..230));
        server.remove(&name).await;
    }
}

/// The new rows are complete, and what is left to be done is done by hand, up to a point.
async fn complete_beside(server: &Server, test: &str) -> String {
    let name = with_old_rows(server, test).await;
    fill(&*first_run(&server.uri), &table(&name), vec![rows(50..70, 1.0)]).await.unwrap();
    assert_eq!(ids(server, &name).await, range(0..10));
    name
}

/// A run that fails as soon as it writes: it only sets right what it finds.
async fn fail_at_once(server: &Server, name: &str) {
    let proxy = Proxy::start(&server.uri, &[Fault::Refuse]).await;
    let moved = move_rows(&*next_run(&proxy.uri), &table(name), vec![rows(0..1, 1.0)]).await;
    assert!(moved.unwrap_err().to_string().contains("invalid parameter"));
}

#[tokio::test]
async fn a_cut_between_the_two_renames_is_finished_by_the_next_run() {
    for server in Server::both() {
        let name = complete_beside(&server, "between").await;
        let (new, old) = beside(&name);
        server.client().await.rename_collection(&name, &old).await.unwrap();

        let error = appending(&server.uri).plan(&table(&name)).await.unwrap_err();
        assert!(error.to_string().contains(&format!("its rows are in {old}")), "{error}");
        let told = notes(&server, &name).await;
        assert!(
            told[0].contains(&format!("just before {new} took the place of {name}")),
            "{told:?}"
        );
        assert_eq!(server.collections_like(&name).await, [&*new, &*old], "a plan changes nothing");

        fail_at_once(&server, &name).await;
        assert_eq!(ids(&server, &name).await, range(50..70));
        let new = next_new(&name);
        // Under the old collection's name, for an hour: an empty one, against late renames.
        assert_eq!(server.collections_like(&name).await, [&*name, &*new, &*old]);
        assert_eq!(server.client().await.row_count(&old, None).await.unwrap(), 0);
        server.remove(&name).await;
    }
}

#[tokio::test]
async fn an_old_collection_that_was_replaced_is_dropped_by_the_next_run() {
    for server in Server::both() {
        let name = complete_beside(&server, "replaced").await;
        let (new, old) = beside(&name);
        let client = server.client().await;
        client.rename_collection(&name, &old).await.unwrap();
        client.rename_collection(&new, &name).await.unwrap();

        let told = notes(&server, &name).await;
        assert_eq!(told[0], format!("{old}, which run {RUN} replaced, is dropped first"));
        fail_at_once(&server, &name).await;
        assert_eq!(ids(&server, &name).await, range(50..70));
        let new = next_new(&name);
        // Under the old collection's name, for an hour: an empty one, against late renames.
        assert_eq!(server.collections_like(&name).await, [&*name, &*new, &*old]);
        assert_eq!(server.client().await.row_count(&old, None).await.unwrap(), 0);
        server.remove(&name).await;
    }
}

#[tokio::test]
async fn an_old_collection_that_stands_alone_gets_its_name_back() {
    for server in Server::both() {
        let name = with_old_rows(&server, "aside").await;
        let (_, old) = beside(&name);
        server.client().await.rename_collection(&name, &old).await.unwrap();
        assert!(notes(&server, &name).await[0].contains("gets its name back first"));
        fail_at_once(&server, &name).await;
        assert_eq!(ids(&server, &name).await, range(0..10));
        // The first run's, which was complete, goes: another one takes its place.
        assert_eq!(server.collections_like(&name).await, [&*name, &*next_new(&name)]);
        server.remove(&name).await;
    }
}

#[tokio::test]
async fn a_rename_that_is_refused_leaves_the_old_rows_in_place() {
    for server in Server::both() {
        let name = with_old_rows(&server, "refused").await;
        let (new, old) = beside(&name);
        let proxy = Proxy::start(&server.uri, &[]).await;
        let sink = first_run(&proxy.uri);
        let moved = fill(&*sink, &table(&name), vec![rows(50..70, 1.0)]).await.unwrap();
        let publish = moved.plan.publish.unwrap();
        // The first rename; the second, after which the first is undone.
        for refused in [&[true][..], &[false, true]] {
            proxy.refuse("RenameCollection", refused);
            let error = sink.publish(&publish.what, 20).await.unwrap_err().to_string();
            assert!(error.contains(&format!("putting {new} in the place of {name}")), "{error}");
            assert_eq!(ids(&server, &name).await, range(0..10));
            assert_eq!(server.collections_like(&name).await, [&*name, &*new]);
        }
        // The second, and there is no way back: the next run goes on.
        proxy.refuse("RenameCollection", &[false, true, true]);
        sink.publish(&publish.what, 20).await.unwrap_err();
        assert_eq!(server.collections_like(&name).await, [&*new, &*old]);
        fail_at_once(&server, &name).await;
        assert_eq!(ids(&server, &name).await, range(50..70));
        server.remove(&name).await;
    }
}

/// The server says that it took rows, and has not.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_missing_keep_the_old_ones_in_place() {
    for server in Server::both() {
        let name = with_old_rows(&server, "missing").await;
        let (new, _) = beside(&name);
        let proxy = Proxy::start(&server.uri, &[Fault::None, Fault::Swallow]).await;
        let source = json!({ "rows": 100, "dim": 4, "split_rows": 25, "table": name });
        let (_, outcome) = run_pipeline(
            source_of("synthetic", source),
            first_run(&proxy.uri),
            settings(1, 1 << 20),
            Controls::default(),
        )
        .await;
        let error = outcome.error.expect("a difference");
        assert_eq!(error.exit_code(), 5, "{error}");
        let words = error.to_string();
        assert!(
            words.contains(&format!("collection {new} holds 75 rows, expected 100")),
            "{words}"
        );
        assert!(words.contains("what was there before is still in its place"), "{words}");
        assert_eq!(ids(&server, &name).await, range(0..10));
        server.remove(&name).await;
    }
}

/// Marks keep them apart; where they can't, each fills a collection of its own.
#[tokio::test]
async fn of_two_runs_at_once_neither_takes_the_rows_of_the_other() {
    for server in Server::both() {
        let name = with_old_rows(&server, "two_runs").await;
        let (first, second) = (overwriting(&server.uri), overwriting(&server.uri));
        fill(&*first, &table(&name), vec![rows(50..70, 1.0)]).await.unwrap();
        fill(&*second, &table(&name), vec![rows(80..85, 1.0)]).await.unwrap();
        first.publish(&name, 20).await.unwrap();
        assert_eq!(ids(&server, &name).await, range(50..70));
        // What stands there now is not what the second run was to replace.
        let error = second.publish(&name, 5).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Differ);
        assert!(error.to_string().contains("10 rows came to collection"), "{error}");
        assert_eq!(ids(&server, &name).await, range(50..70));
        assert_eq!(server.collections_like(&name).await.len(), 2, "both stay");
        server.remove(&name).await;
    }
}

#[tokio::test]
async fn rows_that_came_to_the_old_collection_stop_the_swap() {
    for server in Server::both() {
        let name = with_old_rows(&server, "came").await;
        let (new, _) = beside(&name);
        let sink = first_run(&server.uri);
        fill(&*sink, &table(&name), vec![rows(50..70, 1.0)]).await.unwrap();
        move_rows(&*appending(&server.uri), &table(&name), vec![rows(20..23, 1.0)]).await.unwrap();
        let error = sink.publish(&name, 20).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Differ);
        assert!(error.to_string().contains("3 rows came to collection"), "{error}");
        assert!(error.to_string().contains("--restart"), "{error}");
        assert_eq!(server.collections_like(&name).await, [&*name, &*new]);
        assert_eq!(ids(&server, &name).await.len(), 13);
        server.remove(&name).await;
    }
}

#[tokio::test]
async fn an_old_collection_that_is_dropped_meanwhile_is_replaced_all_the_same() {
    for server in Server::both() {
        let name = with_old_rows(&server, "dropped").await;
        let sink = first_run(&server.uri);
        fill(&*sink, &table(&name), vec![rows(50..70, 1.0)]).await.unwrap();
        server.client().await.drop_collection(&name).await.unwrap();
        sink.publish(&name, 20).await.unwrap();
        assert_eq!(ids(&server, &name).await, range(50..70));
        assert_eq!(server.collections_like(&name).await, [&*name]);
        server.remove(&name).await;
    }
}

#[tokio::test]
async fn a_collection_that_is_not_ours_is_never_dropped() {
    for server in Server::both() {
        let name = with_old_rows(&server, "foreign").await;
        let (new, old) = beside(&name);
        let to = |collection: &str| sink(&server.uri, json!({ "collection": collection }));
        for foreign in [new, old] {
            move_rows(&*to(&foreign), &table(&name), vec![rows(7..9, 1.0)]).await.unwrap();
            let error = first_run(&server.uri).plan(&table(&name)).await.unwrap_err();
            let words = error.to_string();
            assert!(words.contains(&format!("Collection {foreign} is in the way")), "{words}");
            assert_eq!(ids(&server, &foreign).await, [7, 8]);
            assert_eq!(ids(&server, &name).await, range(0..10));
            server.client().await.drop_collection(&foreign).await.unwrap();
        }
        server.remove(&name).await;
    }
}

fn part(name: &str, partition: &str) -> TableToWrite {
    TableToWrite {
        database: None,
        name: format!("{name}/{partition}"),
        part: Part::OfWhole(partition.to_owned()),
        ..table(name)
    }
}

#[tokio::test]
async fn the_partitions_of_a_collection_are_replaced_at_once() {
    for server in Server::both() {
        let name = server.fresh("several").await;
        let settings = || json!({ "mode": "overwrite" });
        for (round, first) in [(Decision::Create, 0), (Decision::Overwrite, 1000)] {
            let sink = sink(&server.uri, settings());
            let tables = ["_default", "p1", "p2"].map(|partition| part(&name, partition));
            let mut plans = Vec::new();
            for table in &tables {
                plans.push(sink.plan(table).await.unwrap());
            }
            assert!(plans.iter().all(|plan| plan.decision == round));
            let told = plans.iter().filter(|p| p.notes.iter().any(|n| n.contains("filled into")));
            assert_eq!(told.count(), usize::from(round == Decision::Overwrite), "said once");
            let mut held = 0;
            for (n, (table, plan)) in (0..).zip(tables.iter().zip(&plans)) {
                let writer = sink
                    .prepare(table, plan, &vecpipe::sink::Start::Fresh, Arc::default())
                    .await
                    .unwrap();
                let start = first + n * 10;
                write(&*writer, rows(start..start + n + 5, 1.0)).await;
                held += writer.complete().await.unwrap().rows_after;
            }
            if let Some(publish) = &plans[0].publish {
                let together = |plan: &TargetPlan| plan.publish.as_ref().unwrap().what.clone();
                assert!(plans.iter().all(|plan| together(plan) == publish.what));
                assert_eq!(ids(&server, &name).await.len(), 18, "the old rows are there");
                assert!(ids(&server, &name).await.iter().all(|id| *id < 1000));
                sink.publish(&publish.what, held).await.unwrap();
            }
            let expected: Vec<_> =
                (0..3).flat_map(|n| (0..n + 5).map(move |id| first + n * 10 + id)).collect();
            assert_eq!(ids(&server, &name).await, expected);
            let client = server.client().await;
            assert_eq!(client.row_count(&name, Some("p2")).await.unwrap(), 7);
        }
        assert_eq!(server.collections_like(&name).await, [&*name]);
        server.remove(&name).await;
    }
}

/// On Milvus Lite a row is taken from the partition that held its id, after that was counted.
#[tokio::test]
async fn an_id_in_two_partitions_of_milvus_lite_keeps_the_old_rows() {
    let server = Server::lite();
    let name = with_old_rows(&server, "twice").await;
    let sink = overwriting(&server.uri);
    let mut held = 0;
    let tables = ["p1", "p2"].map(|partition| part(&name, partition));
    let plans = [sink.plan(&tables[0]).await.unwrap(), sink.plan(&tables[1]).await.unwrap()];
    for (table, plan) in tables.iter().zip(&plans) {
        let writer =
            sink.prepare(table, plan, &vecpipe::sink::Start::Fresh, Arc::default()).await.unwrap();
        write(&*writer, rows(3..8, 1.0)).await;
        held += writer.complete().await.unwrap().rows_after;
    }
    let error = sink.publish(&name, held).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Differ);
    assert!(error.to_string().contains("holds 5 rows, 10 were written"), "{error}");
    assert_eq!(ids(&server, &name).await, range(0..10));
    server.remove(&name).await;
}

#[tokio::test]
async fn what_was_loaded_is_loaded_again() {
    for server in Server::both() {
        let name = with_old_rows(&server, "loaded").await;
        let client = server.client().await;
        let whole = ["_default".to_owned()];
        client.load_missing(&name, &whole, true).await.unwrap();
        for _ in 0..2 {
            let batches = vec![rows(0..20, 1.0)];
            move_rows(&*overwriting(&server.uri), &table(&name), batches).await.unwrap();
            assert!(client.is_loaded(&name, &whole).await.unwrap());
            if !server.lite {
                assert_eq!(client.count(&name, &[]).await.unwrap(), 20);
            }
        }
        server.remove(&name).await;
    }
    // What was not is not.
    let server = Server::milvus();
    let name = with_old_rows(&server, "unloaded").await;
    move_rows(&*overwriting(&server.uri), &table(&name), vec![rows(0..20, 1.0)]).await.unwrap();
    assert!(!server.client().await.is_loaded(&name, &["_default".to_owned()]).await.unwrap());
    server.remove(&name).await;
}

#[tokio::test]
async fn a_server_that_cannot_rename_drops_first_and_says_so() {
    let server = Server::milvus();
    let name = with_old_rows(&server, "no_rename").await;
    let proxy = Proxy::start(&server.uri, &[]).await;
    proxy.pose_as("v2.2.16");
    let batches = vec![rows(30..35, 1.0)];
    let moved = move_rows(&*overwriting(&proxy.uri), &table(&name), batches).await.unwrap();
    assert_eq!(moved.plan.publish, None);
    let words = "Milvus v2.2.16 can't rename collections: the old one is dropped first";
    assert!(moved.plan.notes[0].starts_with(words), "{:?}", moved.plan.notes);
    assert_eq!(ids(&server, &name).await, range(30..35));
    assert_eq!(server.collections_like(&name).await, [&*name]);
    server.remove(&name).await;
}

#[tokio::test]
async fn the_longest_name_is_overwritten_too() {
    for server in Server::both() {
        let name = format!("vecpipe_test_long_{:a>220}", std::process::id());
        let name = format!("{name}_{}", "b".repeat(255 - name.len() - 1));
        server.client().await.drop_collection(&name).await.unwrap();
        for ids in [0..10, 5..9] {
            let batches = vec![rows(ids, 1.0)];
            move_rows(&*overwriting(&server.uri), &table(&name), batches).await.unwrap();
        }
        assert_eq!(ids(&server, &name).await, range(5..9));
        assert_eq!(server.collections_like(&name[..230]).await, [&*name]);
        server.client().await.drop_collection(&name).await.unwrap();
    }
}
