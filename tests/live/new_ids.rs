//! Moves into collections that make their ids themselves, from end to end.

use serde_json::{Value, json};

use crate::common::folder::Folder;
use crate::common::kill::{Random, kill_at, settled};
use crate::support::{Collection, Server, moved, run};

/// All vectors, sorted.
fn vectors(of: &Collection<'_>, field: &str) -> Vec<String> {
    let told = of.tell();
    let parts = told["rows"].as_object().unwrap().values();
    let rows = parts.flat_map(|part| part.as_object().unwrap().values());
    let mut all: Vec<_> = rows.map(|row| row[field].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

#[test]
fn rows_of_collections_that_share_ids_all_come_along() {
    let (milvus, lite) = (Server::milvus(), Server::lite());
    for (from, to) in [(&milvus, &lite), (&lite, &milvus)] {
        let folder = Folder::new();
        let (one, other, target) = (from.made("plain", 30), from.made("texts", 30), to.name("new"));
        for (source, rows) in [(&one, 30), (&one, 60)] {
            let sink = target.sink(", keep_ids: false, load: true");
            let done = moved(&folder, &[&source.source(""), &sink], &[]);
            assert_eq!(done.report["tables"][0]["verified"], "count");
            assert_eq!(vectors(&target, "v").len(), rows);
        }
        let key = |told: &Value| told["schema"]["fields"][0].clone();
        assert_eq!(
            (&key(&target.tell())["auto"], &key(&one.tell())["auto"]),
            (&json!(true), &json!(false))
        );
        // Texts are made by a Milvus only.
        let texts = to.name("texts");
        let sink = texts.sink(", keep_ids: false, load: true");
        moved(&folder, &[&other.source(""), &sink], &[]);
        assert_eq!(vectors(&texts, "v"), vectors(&other, "v"));
        let made = key(&texts.tell());
        assert_eq!(made["type"], if to.lite { "INT64" } else { "VARCHAR" });
    }
}

#[test]
fn content_is_not_compared_without_ids() {
    let (lite, folder) = (Server::lite(), Folder::new());
    let (source, target) = (lite.made("plain", 5), lite.name("uncompared"));
    let lines = [&*source.source(""), &*target.sink(", keep_ids: false")];
    let done = run(&folder, &lines, &["--verify", "content"]);
    let word = "Content can't be compared: the target gives rows new ids (keep_ids: false)";
    assert!(done.code == 2 && done.stderr.contains(word), "{}", done.stderr);
    let done = folder.pipeline(&["verify", "move.yaml"]);
    assert!(done.code == 2 && done.stderr.contains(word), "{}", done.stderr);
    assert_eq!(lite.ask(&json!({ "do": "names", "prefix": target.name }))["names"], json!([]));
}

#[test]
fn a_killed_run_doubles_no_row_with_new_ids() {
    for server in [Server::milvus(), Server::lite()] {
        let (folder, target) = (Folder::new(), server.name("new_killed"));
        let source = "source: { synthetic: { rows: 8000, dim: 8, split_rows: 700 } }";
        let run = "run: { batch_rows: 50, parallelism: 4 }";
        // Each attempt waits for the deadline of the last one's requests.
        let timeouts = "timeouts: { request: 2s }";
        let sink = target.sink(&format!(", keep_ids: false, load: true, {timeouts}"));
        folder.write("move.yaml", &format!("version: 1\n{source}\n{sink}\n{run}\n"));
        let mut random = Random::of(7);
        let mut kills = 0;
        for _ in 0..5 {
            let mut child = folder.command(&["run", "move.yaml"]).spawn().unwrap();
            let done = || settled(&folder.path(""), "move.yaml");
            kills += u32::from(kill_at(&mut child, done() + random.below(1_500), done));
        }
        assert!(kills > 2);
        let done = folder.run(&["move.yaml"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let mut all = vectors(&target, "vector");
        assert_eq!(all.len(), 8_000);
        all.dedup();
        assert_eq!(all.len(), 8_000, "none is there twice");
    }
}
