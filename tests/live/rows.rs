//! Which rows are read: ranges of keys, keys held several times, conditions, partitions; and what is
//! loaded only for that.

use serde_json::{Value, json};
use vecpipe::source::SourceFactory;

use crate::common::folder::Folder;
use crate::support::{Server, moved, run};

const PARQUET: &str = "sink: { parquet: { dir: out, mode: overwrite } }";

/// Number of splits that the plan shows for the first table.
fn splits(plan: &str) -> usize {
    let line = plan.lines().find(|line| line.contains("vecpipe_live_")).unwrap();
    line.split("  ").filter_map(|word| word.trim().parse().ok()).last().unwrap()
}

#[test]
fn keys_are_divided_and_each_part_is_read() {
    let (milvus, folder) = (Server::milvus(), Folder::new());
    for (kind, rows) in [("plain", 60_000), ("texts", 60_000)] {
        let source = milvus.made(kind, rows);
        let content = ["--parallelism", "4", "--verify", "content"];
        let done = moved(&folder, &[&source.source(""), PARQUET], &content);
        assert_eq!(done.report["tables"][0]["rows_written"], rows);
        assert_eq!(done.report["tables"][0]["verified"], "content");
        let plan = folder.pipeline(&["plan", "move.yaml"]);
        assert!(splits(&plan.stdout) >= 2, "{}", plan.stdout);
    }
}

#[tokio::test]
async fn a_collection_with_other_keys_is_not_taken_for_the_same() {
    let lite = Server::lite();
    let source = lite.made("plain", 100);
    let settings = json!({ "uri": lite.uri, "collections": { &source.name: null } });
    let config: vecpipe::source::milvus::Config = serde_json::from_value(settings).unwrap();
    let reading = config.build().unwrap();
    let table = reading.tables().await.unwrap().remove(0);
    let before = reading.fingerprint(&table).await.unwrap();
    assert_eq!(before, reading.fingerprint(&table).await.unwrap());
    // Milvus Lite gives the collection no number by which it could be told from another one.
    lite.ask(&json!({ "do": "insert", "collection": source.name, "ids": [-1001] }));
    assert_ne!(before, reading.fingerprint(&table).await.unwrap());
}

#[test]
fn a_key_held_by_several_rows_is_read_once_and_told() {
    let (milvus, folder) = (Server::milvus(), Folder::new());
    let source = milvus.made("plain", 500);
    // These stand beside the rows that have the keys already.
    let again: Vec<_> = (200..250).map(|n| n * 7 - 1000).collect();
    milvus.ask(&json!({ "do": "insert", "collection": source.name, "ids": again }));
    let html = ["--report-html", "report.html"];
    let done = moved(&folder, &[&source.source(""), PARQUET], &html);
    let table = &done.report["tables"][0];
    assert_eq!((&table["rows_read"], &table["rows_written"]), (&json!(500), &json!(500)));
    let told = "50 rows more have keys that other rows have too";
    assert!(done.stderr.contains(told), "{}", done.stderr);
    assert!(table["warnings"][0].as_str().unwrap().contains(told), "{table}");
    let page = std::fs::read_to_string(folder.path("report.html")).unwrap();
    assert!(page.contains(told), "{page}");
}

/// All rows that did not come were called rejected.
#[test]
fn rows_that_the_source_does_not_show_are_not_called_rejected() {
    let (milvus, folder) = (Server::milvus(), Folder::new());
    let source = milvus.made("plain", 100);
    // The same values: which of two rows Milvus shows may be another one each time.
    milvus.ask(&json!({ "do": "insert again", "collection": source.name, "rows": [0, 1] }));
    for on_bad_row in ["fail", "reject"] {
        let lines = [&source.source(""), PARQUET, &format!("run: {{ on_bad_row: {on_bad_row} }}")];
        moved(&folder, &lines, &[]);
        let done = folder.pipeline(&["verify", "move.yaml"]);
        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
        assert!(!done.stdout.contains("on_bad_row"), "{}", done.stdout);
        let told = "2 rows that the source counts and does not give back left out";
        assert!(done.stdout.contains(told), "{}", done.stdout);
    }
}

/// A row less at the source, and the journal was passed over: the target was not all ours any more.
#[test]
fn a_row_that_the_source_lost_since_the_run_is_extra_at_the_target() {
    let (milvus, lite) = (Server::milvus(), Server::lite());
    for (from, to) in [(&milvus, &milvus), (&lite, &lite)] {
        // The first key, one between, and the last one.
        for lost in [-1000, -860, -727] {
            let folder = Folder::new();
            let (source, target) = (from.made("plain", 40), to.name("kept"));
            let done = moved(&folder, &[&source.source(""), &target.sink("")], &[]);
            assert_eq!(done.report["tables"][0]["rows_written"], 40);
            let name = &source.name;
            from.call("delete", json!({ "collection_name": name, "ids": [lost] }));
            let done = folder.pipeline(&["verify", "move.yaml", "--report", "verify.json"]);
            assert_eq!(done.code, 5, "{}{}", done.stdout, done.stderr);
            assert!(done.stdout.contains(&format!("id {lost}: extra")), "{}", done.stdout);
            let told = "The source is compared as it is now, not as it was in the run of";
            assert!(done.stderr.contains(told), "{}", done.stderr);
            let report = std::fs::read_to_string(folder.path("verify.json")).unwrap();
            let report: Value = serde_json::from_str(&report).unwrap();
            let compared = &report["targets"][0];
            assert_eq!(
                (&compared["rows_in_source"], &compared["rows_in_target"]),
                (&json!(39), &json!(40))
            );
            assert_ne!(compared["checksum_of_source"], compared["checksum_of_target"]);
        }
    }
}

#[test]
fn conditions_fields_and_partitions_are_chosen() {
    let (milvus, lite) = (Server::milvus(), Server::lite());
    for server in [&milvus, &lite] {
        let folder = Folder::new();
        let source = server.made("parts", 300);
        let filter = source.source(", filter: 'id < 0', output_fields: [v]");
        let done = moved(&folder, &[&filter, PARQUET], &[]);
        let rows = |table: &Value| table["rows_written"].as_u64().unwrap();
        let tables = done.report["tables"].as_array().unwrap();
        // Ids -1000, -993, … are 143 below 0.
        assert_eq!(tables.iter().map(rows).sum::<u64>(), 143);
        let name = &source.name;
        let one = source.source("").replace(&format!("{name}:"), &format!("{name}: [p2]"));
        let one =
            one.replace("} } }", &format!("}}, rename: {{ {name}: other, {name}/p2: p3 }} }} }}"));
        let done = moved(&folder, &[&one.replace("} }, rename", "}, rename"), PARQUET], &[]);
        let table = &done.report["tables"][0];
        assert_eq!(table["rows_written"], 100);
        assert_eq!(table["source"], format!("{name}/p2"));
        assert!(table["target"].as_str().unwrap().ends_with("other/p3"), "{table}");
    }
}

#[test]
fn what_is_loaded_to_be_read_is_released() {
    let (milvus, folder) = (Server::milvus(), Folder::new());
    let source = milvus.made("plain", 100);
    milvus.call("release_collection", json!({ "collection_name": source.name }));
    let lines = [&*source.source(""), PARQUET];
    folder.write("move.yaml", &format!("version: 1\n{}\n", lines.join("\n")));
    let plan = folder.pipeline(&["plan", "move.yaml"]);
    assert!(plan.stdout.contains("it is not loaded: the run loads it"), "{}", plan.stdout);
    assert_eq!(source.state(), "NotLoad");
    let done = moved(&folder, &lines, &["--verify", "content"]);
    assert_eq!(done.report["tables"][0]["rows_written"], 100);
    assert_eq!(source.state(), "NotLoad");
}

#[test]
fn an_index_is_made_only_to_be_read_where_that_is_asked_for() {
    let (milvus, folder) = (Server::milvus(), Folder::new());
    let source = milvus.made("plain", 100);
    milvus.call("release_collection", json!({ "collection_name": source.name }));
    milvus.call("drop_index", json!({ "collection_name": source.name, "index_name": "v" }));
    let done = run(&folder, &[&source.source(""), PARQUET], &[]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stderr.contains("its field v has no index"), "{}", done.stderr);
    assert!(done.stderr.contains("source.milvus.prepare: true"), "{}", done.stderr);
    let done = moved(&folder, &[&source.source(", prepare: true"), PARQUET], &[]);
    assert_eq!(done.report["tables"][0]["rows_written"], 100);
    assert_eq!(source.state(), "NotLoad");
    assert_eq!(source.indexes(), json!([]));
    // It is no index of the collection, and does not come along.
    let target = milvus.name("prepared");
    let sink = target.sink(", schema: { metric: COSINE }");
    moved(&folder, &[&source.source(", prepare: true"), &sink], &[]);
    assert_eq!(target.indexes(), json!(["v"]));
}
