//! Names that a new server refuses, and other names that the user gives.

use std::path::Path;

use serde_json::{Value, json};
use vecpipe::Kind;
use vecpipe::flow::{MemoryBudget, Pipeline, Plan};
use vecpipe::table::Part;

use crate::common::{components, settings};
use crate::support::{folder, source};
use crate::writer::{write, write_partition};

/// Plans `path` into a Milvus that is not there: names are looked at before it is asked.
async fn refusal(path: &Path, from: Value, to: Value) -> String {
    let mut sink = json!({ "uri": "http://127.0.0.1:1", "timeouts": { "connect": "1s" } });
    for (key, value) in to.as_object().unwrap() {
        sink[key] = value.clone();
    }
    let settings = settings(1, 1 << 20);
    let pipeline = Pipeline {
        source: source(path, from),
        transforms: Vec::new(),
        sink: components::sink("milvus", sink),
        stage: None,
        budget: MemoryBudget::new(settings.memory),
        settings,
    };
    let error = Plan::make(&pipeline).await.err().expect("an error");
    match error.kind() {
        Kind::Connect => "the names are fine".to_owned(),
        kind => {
            assert_eq!((kind, error.exit_code()), (Kind::Config, 2), "{error}");
            error.to_string()
        }
    }
}

fn directory(tags: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "test", 4, &[]);
    for tag in tags {
        write_partition(folder.path(), "test", tag, 4, &[]);
    }
    folder
}

#[tokio::test]
async fn all_refused_names_are_listed_each_with_one_that_would_do() {
    let folder = directory(&["a b", "a_b_2", "a-b", "tag ä", "tag a", "日本", "中国", "-default"]);
    write(folder.path(), "old-one", 4, &[]);
    write_partition(folder.path(), "old-one", "a b", 4, &[]);
    let words = refusal(folder.path(), json!({}), json!({})).await;
    insta::assert_snapshot!(words, @r#"
    9 names of the source can't be had at the target
      where: sink milvus
      help: names there are letters, digits and underscores, not beginning with a digit, at most 255 characters. Nothing is renamed unasked: write other names, such as these, under source.milvus1:
        rename:
          "test/a b": a_b
          "test/a-b": a_b_3
          "test/tag ä": tag_a
          "test/tag a": tag_a_2
          "test/日本": partition
          "test/中国": partition_2
          "test/-default": default
          "old-one": old_one
          "old-one/a b": a_b
    "#);
    // With one collection and one partition for all, the source's names do not matter.
    let all = json!({ "collection": "all", "partition": "" });
    assert_eq!(refusal(folder.path(), json!({}), all).await, "the names are fine");
    // What is left out does not matter, what is renamed wrongly does.
    let part = json!({ "collections": { "test": ["a b"] }, "rename": { "test/a b": "1" } });
    let words = refusal(folder.path(), part, json!({})).await;
    assert!(
        words.contains("1 name of the source") && words.contains("\"test/a b\": _1"),
        "{words}"
    );
}

#[tokio::test]
async fn a_long_list_of_refused_names_is_cut() {
    let tags: Vec<_> = (0..27).map(|n| format!("{} {}", n / 10, n % 10)).collect();
    let folder = directory(&tags.iter().map(String::as_str).collect::<Vec<_>>());
    let words = refusal(folder.path(), json!({}), json!({})).await;
    assert!(words.starts_with("27 names of the source"), "{words}");
    assert_eq!(words.matches("\"test/").count(), 20, "{words}");
    assert!(words.contains("# and 7 more, which the next plan lists"), "{words}");
}

#[tokio::test]
async fn a_rename_of_nothing_names_what_was_meant() {
    let path = folder("A_float_l2").join("data");
    for (key, meant) in [("float_l3", "float_l2"), ("float_l2/p_1", "float_l2/p1")] {
        let rename = json!({ "rename": { key: "x" } });
        let error = source(&path, rename).tables().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        let words = error.to_string();
        assert!(
            words.contains(&format!("no collection or partition `{key}` to rename")),
            "{words}"
        );
        assert!(words.contains(&format!("did you mean `{meant}`?")), "{words}");
    }
}

#[tokio::test]
async fn a_collection_comes_whole_unless_its_partitions_are_named() {
    let path = folder("A_float_l2").join("data");
    let part = async |settings: Value, table: &str| {
        let tables = source(&path, settings).tables().await.unwrap();
        tables.into_iter().find(|found| found.name == table).unwrap().part
    };
    let of_whole = |name: &str| Part::OfWhole(name.to_owned());
    let named = |name: &str| Part::Named(name.to_owned());
    let whole = json!({ "collections": { "float_l2": null } });
    assert_eq!(part(whole.clone(), "float_l2").await, of_whole("_default"));
    assert_eq!(part(whole, "float_l2/p1").await, of_whole("p1"));
    assert_eq!(part(json!({}), "float_l2/p1").await, of_whole("p1"));
    let two = json!({ "collections": { "float_l2": ["p1", "_default"] } });
    assert_eq!(part(two.clone(), "float_l2/p1").await, named("p1"));
    assert_eq!(part(two, "float_l2").await, named("_default"));
}
