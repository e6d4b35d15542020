//! The Milvus sink against real servers: what arrives, in every mode.

use std::sync::Arc;

use crate::support::*;
use arrow_array::{Array, ArrayRef, Int64Array};
use serde_json::json;
use vecpipe::error::Kind;
use vecpipe::milvus::v2::field::type_words;
use vecpipe::sink::Decision;
use vecpipe::table::Part;

#[tokio::test]
async fn a_new_collection_gets_fields_index_metric_description_and_rows() {
    for server in Server::both() {
        let name = server.fresh("new").await;
        let sink = sink(&server.uri, json!({}));
        let batches = vec![rows(0..500, 1.0), rows(500..900, 1.0)];
        let moved = move_rows(&*sink, &table(&name), batches).await.unwrap();
        assert_eq!(moved.plan.decision, Decision::Create);
        assert_eq!(moved.plan.rows_before, Some(0));
        assert_eq!((moved.written.rows, moved.written.replaced), (900, 0));
        assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (0, 900));
        let client = server.client().await;
        let found = client.describe_collection(&name).await.unwrap().unwrap();
        // Milvus Lite keeps no descriptions.
        let description = format!("Moved by vecpipe from test {name}");
        assert_eq!(found.description, if server.lite { "" } else { &*description });
        let fields: Vec<_> = found.fields.iter().map(type_words).collect();
        assert_eq!(fields, ["Int64", "FloatVector(4)"]);
        let index = &client.indexes(&name).await.unwrap()[0];
        let index = &index.definition;
        let index = (&*index.field, &*index.index_type, &*index.metric_type);
        assert_eq!(index, ("embedding", "AUTOINDEX", "IP"));
        let expected: Vec<_> = (0..900).map(|id| (id, id as f32)).collect();
        assert_eq!(read_back(&client, &name).await, expected);
        client.drop_collection(&name).await.unwrap();
    }
}

#[tokio::test]
async fn appending_looks_for_ids_that_are_there() {
    for server in Server::both() {
        let name = server.fresh("append").await;
        move_rows(&*sink(&server.uri, json!({})), &table(&name), vec![rows(0..100, 1.0)])
            .await
            .unwrap();
        let sink = sink(&server.uri, json!({}));
        let plan = sink.plan(&table(&name)).await.unwrap();
        assert_eq!((plan.decision, plan.rows_before), (Decision::Append, Some(100)));
        assert!(plan.ids.absent && plan.ids.unique);
        let asked: ArrayRef = Arc::new(Int64Array::from(vec![-5, 98, 99, 100, 98]));
        let held = sink.existing_ids(&table(&name), &asked).await.unwrap();
        assert_eq!(held.len(), 2);
        let moved = move_rows(&*sink, &table(&name), vec![rows(100..150, 1.0)]).await.unwrap();
        assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (100, 150));
        let client = server.client().await;
        let partitions = client.partitions(&name).await.unwrap();
        let still_loaded = client.is_loaded(&name, &partitions).await.unwrap();
        // It is released again, where it was not loaded before.
        assert_eq!(still_loaded, server.lite);
        client.drop_collection(&name).await.unwrap();
    }
}

#[tokio::test]
async fn upsert_replaces_and_counts_what_it_replaced() {
    for server in Server::both() {
        let name = server.fresh("upsert").await;
        move_rows(&*sink(&server.uri, json!({})), &table(&name), vec![rows(0..100, 1.0)])
            .await
            .unwrap();
        let sink = sink(&server.uri, json!({ "on_conflict": "upsert" }));
        let batches = vec![rows(90..95, 2.0), rows(95..120, 2.0)];
        let moved = move_rows(&*sink, &table(&name), batches).await.unwrap();
        assert!(!moved.plan.ids.absent);
        assert_eq!((moved.written.rows, moved.written.replaced), (30, 10));
        assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (100, 120));
        let client = server.client().await;
        let expected: Vec<_> =
            (0..120).map(|id| (id, id as f32 * if id < 90 { 1.0 } else { 2.0 })).collect();
        assert_eq!(read_back(&client, &name).await, expected);
        client.drop_collection(&name).await.unwrap();
    }
}

#[tokio::test]
async fn on_conflict_skip_leaves_the_target_s_rows() {
    for server in Server::both() {
        let name = server.fresh("conflict_skip").await;
        move_rows(&*sink(&server.uri, json!({})), &table(&name), vec![rows(0..100, 1.0)])
            .await
            .unwrap();
        let sink = sink(&server.uri, json!({ "on_conflict": "skip" }));
        let batches = vec![rows(50..110, 2.0), rows(20..40, 2.0)];
        let moved = move_rows(&*sink, &table(&name), batches).await.unwrap();
        assert_eq!((moved.written.rows, moved.written.skipped), (10, 70));
        assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (100, 110));
        let client = server.client().await;
        let expected: Vec<_> =
            (0..110).map(|id| (id, id as f32 * if id < 100 { 1.0 } else { 2.0 })).collect();
        assert_eq!(read_back(&client, &name).await, expected);
        client.drop_collection(&name).await.unwrap();
    }
}

#[tokio::test]
async fn insert_without_a_look_doubles_ids_where_the_server_lets_it() {
    let server = Server::milvus();
    let name = server.fresh("insert").await;
    let settings = json!({ "on_conflict": "insert", "on_duplicate_id": "allow" });
    for before in [0, 30] {
        let sink = sink(&server.uri, settings.clone());
        let batches = vec![rows(0..20, 1.0), rows(0..10, 1.0)];
        let moved = move_rows(&*sink, &table(&name), batches).await.unwrap();
        assert!(!moved.plan.ids.absent && !moved.plan.ids.unique);
        assert_eq!(moved.completion.rows_before, before);
        assert_eq!(moved.completion.rows_after, before + 30);
    }
    server.client().await.drop_collection(&name).await.unwrap();
}

#[tokio::test]
async fn mode_skip_leaves_the_target_alone() {
    for server in Server::both() {
        let name = server.fresh("skip").await;
        let sink = sink(&server.uri, json!({ "mode": "skip" }));
        let moved = move_rows(&*sink, &table(&name), vec![rows(0..10, 1.0)]).await.unwrap();
        assert_eq!(moved.plan.decision, Decision::Create);
        let moved = move_rows(&*sink, &table(&name), vec![rows(10..20, 1.0)]).await.unwrap();
        assert_eq!(moved.plan.decision, Decision::Skip);
        let client = server.client().await;
        assert_eq!(read_back(&client, &name).await.len(), 10);
        client.drop_collection(&name).await.unwrap();
    }
}

#[tokio::test]
async fn mode_overwrite_replaces_the_collection() {
    for server in Server::both() {
        let name = server.fresh("overwrite").await;
        let sink = sink(&server.uri, json!({ "mode": "overwrite" }));
        move_rows(&*sink, &table(&name), vec![rows(0..100, 1.0)]).await.unwrap();
        let moved = move_rows(&*sink, &table(&name), vec![rows(50..60, 3.0)]).await.unwrap();
        assert_eq!(moved.plan.decision, Decision::Overwrite);
        let note = format!("filled into {name}_vecpipe_new_");
        let told = moved.plan.notes.iter().find(|told| told.contains(&note));
        assert!(told.is_some_and(|told| told.contains(", which takes the place of the old")));
        assert!(!moved.plan.ids.absent);
        assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (0, 10));
        let client = server.client().await;
        let expected: Vec<_> = (50..60).map(|id| (id, id as f32 * 3.0)).collect();
        assert_eq!(read_back(&client, &name).await, expected);
        assert_eq!(server.collections_like(&name).await, [&*name], "nothing is left beside it");
        client.drop_collection(&name).await.unwrap();
    }
}

#[tokio::test]
async fn what_the_server_refuses_shows_before_the_old_rows_are_gone() {
    let server = Server::milvus();
    let name = server.fresh("trial").await;
    move_rows(&*sink(&server.uri, json!({})), &table(&name), vec![rows(0..10, 1.0)]).await.unwrap();
    let index = json!({ "type": "HNSW", "params": { "M": 100_000, "efConstruction": 8 } });
    let sink = sink(&server.uri, json!({ "mode": "overwrite", "index": index }));
    let error = move_rows(&*sink, &table(&name), vec![rows(0..5, 1.0)]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Target);
    assert!(error.to_string().contains("CreateIndex"), "{error}");
    let client = server.client().await;
    assert_eq!(read_back(&client, &name).await.len(), 10);
    assert_eq!(server.collections_like(&name).await, [&*name]);
    client.drop_collection(&name).await.unwrap();
}

#[tokio::test]
async fn modes_apply_to_the_partition_that_is_named() {
    for server in Server::both() {
        let name = server.fresh("partitions").await;
        let to = |partition: &str, mode: &str| {
            sink(&server.uri, json!({ "partition": partition, "mode": mode }))
        };
        let moved = move_rows(&*to("p1", "append"), &table(&name), vec![rows(0..10, 1.0)]).await;
        assert_eq!(moved.unwrap().plan.decision, Decision::Create);
        let moved = move_rows(&*to("p2", "skip"), &table(&name), vec![rows(10..30, 1.0)]).await;
        let moved = moved.unwrap();
        assert_eq!(moved.plan.decision, Decision::Create);
        assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (0, 20));
        let moved = move_rows(&*to("p1", "append"), &table(&name), vec![rows(30..35, 1.0)]).await;
        let moved = moved.unwrap();
        assert_eq!(moved.plan.decision, Decision::Append);
        assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (10, 15));
        let moved = move_rows(&*to("p2", "skip"), &table(&name), vec![rows(40..50, 1.0)]).await;
        assert_eq!(moved.unwrap().plan.decision, Decision::Skip);
        let moved = move_rows(&*to("p1", "overwrite"), &table(&name), vec![rows(5..8, 2.0)]).await;
        let moved = moved.unwrap();
        assert_eq!(moved.plan.decision, Decision::Overwrite);
        assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (0, 3));
        let client = server.client().await;
        let expected: Vec<_> = [(5, 10.0), (6, 12.0), (7, 14.0)]
            .into_iter()
            .chain((10..30).map(|id| (id, id as f32)))
            .collect();
        assert_eq!(read_back(&client, &name).await, expected);
        let error = to("_default", "overwrite").plan(&table(&name)).await.unwrap_err();
        assert!(error.to_string().contains("default partition can't be overwritten"), "{error}");
        client.drop_collection(&name).await.unwrap();
    }
}

#[tokio::test]
async fn a_loaded_partition_is_overwritten_and_loaded_again() {
    let server = Server::milvus();
    let name = server.fresh("loaded_partition").await;
    let to = |mode: &str| sink(&server.uri, json!({ "partition": "p1", "mode": mode }));
    move_rows(&*to("append"), &table(&name), vec![rows(0..10, 1.0)]).await.unwrap();
    let client = server.client().await;
    let partitions = client.partitions(&name).await.unwrap();
    client.load_missing(&name, &partitions, true).await.unwrap();
    let plan = to("append").plan(&table(&name)).await.unwrap();
    assert_eq!(plan.rows_before, Some(10));
    let moved = move_rows(&*to("overwrite"), &table(&name), vec![rows(0..7, 1.0)]).await.unwrap();
    assert_eq!(moved.completion.rows_after, 7);
    assert!(client.is_loaded(&name, &partitions).await.unwrap());
    // Counted by a query now: rows that were never flushed are seen, too.
    let moved = move_rows(&*to("append"), &table(&name), vec![rows(7..9, 1.0)]).await.unwrap();
    assert_eq!((moved.completion.rows_before, moved.completion.rows_after), (7, 9));
    client.drop_collection(&name).await.unwrap();
}

#[tokio::test]
async fn one_row_per_id_and_collection_on_milvus_lite() {
    let server = Server::lite();
    let name = server.fresh("lite_ids").await;
    let to = |partition: &str, mode: &str| {
        sink(&server.uri, json!({ "partition": partition, "mode": mode }))
    };
    move_rows(&*to("p1", "append"), &table(&name), vec![rows(0..10, 1.0)]).await.unwrap();
    // A row of p2 would take the row of its id away from p1.
    let error = move_rows(&*to("p2", "append"), &table(&name), vec![rows(9..12, 1.0)]).await;
    assert!(error.unwrap_err().to_string().contains("1 ids are there already"));
    move_rows(&*to("p2", "append"), &table(&name), vec![rows(10..12, 1.0)]).await.unwrap();
    // Rows that are to be replaced are in nobody's way, those of other partitions are.
    move_rows(&*to("p1", "overwrite"), &table(&name), vec![rows(0..5, 1.0)]).await.unwrap();
    let error = move_rows(&*to("p1", "overwrite"), &table(&name), vec![rows(11..13, 1.0)]).await;
    assert!(error.unwrap_err().to_string().contains("1 ids are there already"));
    server.client().await.drop_collection(&name).await.unwrap();
}

#[tokio::test]
async fn tables_of_one_run_may_share_a_collection_by_partitions() {
    for server in Server::both() {
        let name = server.fresh("shared").await;
        let sink = sink(&server.uri, json!({ "collection": name }));
        let part = |table_name: &str, partition: &str| {
            let mut table = table(table_name);
            table.part = Part::OfWhole(partition.to_owned());
            table
        };
        let (a, b) = (part("a", "p1"), part("b", "_default"));
        let (plan_a, plan_b) = (sink.plan(&a).await.unwrap(), sink.plan(&b).await.unwrap());
        assert_eq!((plan_a.decision, plan_b.decision), (Decision::Create, Decision::Create));
        let error = sink.plan(&table("c")).await.unwrap_err();
        assert!(error.to_string().contains("One table would go to"), "{error}");
        let (a, b) = futures::join!(
            sink.prepare(&a, &plan_a, &vecpipe::sink::Start::Fresh, Arc::default()),
            sink.prepare(&b, &plan_b, &vecpipe::sink::Start::Fresh, Arc::default())
        );
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a.complete().await.unwrap().rows_before, 0);
        assert_eq!(b.complete().await.unwrap().rows_after, 0);
        server.client().await.drop_collection(&name).await.unwrap();
    }
}

#[tokio::test]
async fn many_batches_at_once_arrive_once_each() {
    for (server, each) in Server::both().into_iter().zip([2_000, 300]) {
        let name = server.fresh("parallel").await;
        let sink = sink(&server.uri, json!({ "index": "none", "schema": { "metric": "L2" } }));
        let batches = (0..12).map(|n| rows(n * each..(n + 1) * each, 1.0)).collect();
        let moved = move_rows(&*sink, &table(&name), batches).await.unwrap();
        assert_eq!(moved.completion.rows_after, 12 * u64::try_from(each).unwrap());
        let client = server.client().await;
        assert!(client.indexes(&name).await.unwrap().is_empty());
        assert!(moved.plan.notes.iter().any(|note| note.contains("no index is made")));
        client.drop_collection(&name).await.unwrap();
    }
}

#[tokio::test]
async fn a_collection_without_an_index_is_appended_to_only_with_a_word() {
    let server = Server::milvus();
    let name = server.fresh("no_index").await;
    let bare = || sink(&server.uri, json!({ "index": "none" }));
    move_rows(&*bare(), &table(&name), vec![]).await.unwrap();
    // Nothing is in it: there is nothing to ask for.
    move_rows(&*bare(), &table(&name), vec![rows(0..10, 1.0)]).await.unwrap();
    let error = move_rows(&*bare(), &table(&name), vec![rows(10..20, 1.0)]).await.unwrap_err();
    assert!(error.to_string().contains("have no index"), "{error}");
    let blind = sink(&server.uri, json!({ "on_conflict": "insert" }));
    move_rows(&*blind, &table(&name), vec![rows(10..20, 1.0)]).await.unwrap();
    let given = json!({ "index": { "type": "FLAT", "metric": "L2" } });
    let moved = move_rows(&*sink(&server.uri, given), &table(&name), vec![rows(20..25, 1.0)]).await;
    assert_eq!(moved.unwrap().completion.rows_after, 25);
    let client = server.client().await;
    assert_eq!(client.indexes(&name).await.unwrap()[0].definition.metric_type, "L2");
    client.drop_collection(&name).await.unwrap();
}

#[tokio::test]
async fn names_of_fields_can_be_given_and_found() {
    for server in Server::both() {
        let name = server.fresh("names").await;
        let names = json!({ "schema": { "id": "pk", "vector": "vec" }, "description": "Mine" });
        move_rows(&*sink(&server.uri, names), &table(&name), vec![rows(0..3, 1.0)]).await.unwrap();
        // The only primary key and the only vector are meant, whatever they are called.
        let sink = sink(&server.uri, json!({}));
        let moved = move_rows(&*sink, &table(&name), vec![rows(3..5, 1.0)]).await.unwrap();
        assert!(moved.plan.notes.contains(&"column embedding goes to field vec".to_owned()));
        assert_eq!(moved.completion.rows_after, 5);
        let client = server.client().await;
        let found = client.describe_collection(&name).await.unwrap().unwrap();
        let names: Vec<_> = found.fields.iter().map(|field| &*field.name).collect();
        assert_eq!(names, ["pk", "vec"]);
        client.drop_collection(&name).await.unwrap();
    }
}

/// A dry run, or a run that fails after its look, never reaches the table's completion.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_loaded_for_a_look_is_released_when_the_sink_closes() {
    let server = Server::milvus();
    let name = server.fresh("release").await;
    let first = sink(&server.uri, json!({}));
    move_rows(&*first, &table(&name), vec![rows(0..10, 1.0)]).await.expect("moved");
    let client = server.client().await;
    let whole = ["_default".to_owned()];
    assert!(!client.is_loaded(&name, &whole).await.expect("an answer"), "a sink loads nothing");

    let second = sink(&server.uri, json!({}));
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![9, 10]));
    let there = second.existing_ids(&table(&name), &ids).await.expect("a look");
    assert_eq!(there.len(), 1);
    assert!(client.is_loaded(&name, &whole).await.expect("an answer"), "loaded for the look");
    second.close().await;
    assert!(!client.is_loaded(&name, &whole).await.expect("an answer"), "released again");
    client.drop_collection(&name).await.expect("dropped");
}
