//! A collection that is overwritten and compared: the new rows take the place of the old ones only
//! when they are those of the source.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use vecpipe::flow::{
    Controls, Identity, JournalFile, MemoryBudget, Outcome, Pipeline, Plan, TableRun, Verify,
};

use crate::common::components::source as source_of;
use crate::common::{run_pipeline, settings};
use crate::proxy::{Fault, Proxy};
use crate::support::*;

const ROWS: i64 = 100;

fn source(name: &str) -> Value {
    json!({ "rows": ROWS, "dim": 4, "split_rows": 25, "table": name })
}

/// A collection of ten rows, which a comparison would tell from the source's.
async fn with_old_rows(server: &Server, test: &str) -> String {
    let name = server.fresh(test).await;
    let old = vec![rows(1000..1010, 1.0)];
    move_rows(&*sink(&server.uri, json!({})), &table(&name), old).await.unwrap();
    name
}

async fn ids(server: &Server, name: &str) -> Vec<i64> {
    let rows = read_back(&server.client().await, name).await;
    rows.into_iter().map(|(id, _)| id).collect()
}

/// One attempt, as `pipeline run --verify content` makes it.
async fn overwrite(uri: &str, name: &str, state_dir: &Path) -> (Vec<Arc<TableRun>>, Outcome) {
    let mut settings = settings(2, 1 << 20);
    settings.verify = Verify::Content;
    settings.state_dir = state_dir.to_owned();
    let pipeline = Arc::new(Pipeline {
        source: source_of("synthetic", source(name)),
        transforms: Vec::new(),
        sink: sink(uri, json!({ "mode": "overwrite" })),
        stage: None,
        budget: MemoryBudget::new(settings.memory),
        settings,
        identity: Identity::default(),
    });
    let journal = JournalFile::lock(state_dir, &pipeline.identity).unwrap();
    let claim = journal.claim("test", true);
    let plan = match journal.earlier() {
        Some(earlier) => Plan::resume(&pipeline, earlier, Some(&claim)).await.unwrap(),
        None => Plan::claim(&pipeline, &claim).await.unwrap(),
    };
    let hold = plan.hold.clone();
    let journal = journal.begin(&pipeline, &plan).await.unwrap();
    let tables = plan.into_tables();
    let controls = Controls::default();
    let outcome =
        vecpipe::flow::run(Arc::clone(&pipeline), tables.clone(), journal, hold, controls).await;
    pipeline.close().await;
    (tables, outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_that_changed_on_the_way_keeps_the_old_rows_in_place() {
    for server in Server::both() {
        let name = with_old_rows(&server, "flipped").await;
        let state = tempfile::tempdir().unwrap();
        let proxy = Proxy::start(&server.uri, &[Fault::None, Fault::FlipBit]).await;
        // The second time nothing is sent: the rows that wait are compared again.
        let mut new = String::new();
        for _ in 0..2 {
            let (tables, outcome) = overwrite(&proxy.uri, &name, state.path()).await;
            let error = outcome.error.expect("a difference");
            assert_eq!(error.exit_code(), 5, "{error}");
            let words = error.to_string();
            new = server.collections_like(&name).await.remove(1);
            assert!(
                words.contains(&format!("differ: collection {new}: 1 row is changed")),
                "{words}"
            );
            assert!(words.contains("what was there before is still in its place"), "{words}");
            let comparison = tables[0].target.comparison.get().unwrap();
            assert_eq!(comparison.differences.changed, 1);
            assert_eq!(server.collections_like(&name).await, [&*name, &*new]);
            assert_eq!(proxy.calls().len(), 4);
        }
        assert_eq!(ids(&server, &name).await, (1000..1010).collect::<Vec<_>>());
        // The row is set right where it waits, and the same run ends.
        let right = sink(&server.uri, json!({ "collection": new, "on_conflict": "upsert" }));
        let (_, outcome) = run_pipeline(
            source_of("synthetic", source(&name)),
            right,
            settings(1, 1 << 20),
            Controls::default(),
        )
        .await;
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        let (_, outcome) = overwrite(&proxy.uri, &name, state.path()).await;
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        assert_eq!(proxy.calls().len(), 4);
        assert_eq!(ids(&server, &name).await, (0..ROWS).collect::<Vec<_>>());
        assert_eq!(server.collections_like(&name).await, [&*name]);
        server.remove(&name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_begins_anew_fills_the_new_collection_anew() {
    let server = Server::lite();
    let name = with_old_rows(&server, "anew").await;
    let proxy = Proxy::start(&server.uri, &[Fault::FlipBit]).await;
    for (round, code) in [5, 0, 0].into_iter().enumerate() {
        let state = tempfile::tempdir().unwrap();
        let (_, outcome) = overwrite(&proxy.uri, &name, state.path()).await;
        let error = outcome.error.as_ref();
        assert_eq!(error.map_or(0, |error| error.exit_code()), code, "{round}: {error:?}");
    }
    assert_eq!(ids(&server, &name).await, (0..ROWS).collect::<Vec<_>>());
    // And what the first run filled, which that may be resumed with.
    assert_eq!(server.collections_like(&name).await.len(), 2);
    server.remove(&name).await;
}

/// What is loaded to be compared is released before it has the name, and loaded where the old one was.
#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_leaves_nothing_loaded_that_was_not() {
    let server = Server::milvus();
    for loaded in [false, true] {
        let name = with_old_rows(&server, "compared_loads").await;
        let client = server.client().await;
        let whole = ["_default".to_owned()];
        if loaded {
            client.load_missing(&name, &whole, true).await.unwrap();
        }
        let state = tempfile::tempdir().unwrap();
        let (_, outcome) = overwrite(&server.uri, &name, state.path()).await;
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        assert_eq!(client.is_loaded(&name, &whole).await.unwrap(), loaded);
        server.remove(&name).await;
    }
}
