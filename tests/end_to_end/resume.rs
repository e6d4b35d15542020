//! kill −9 at random moments, and again, until the run is done: Milvus holds exactly the source.

use std::process::{Child, Stdio};

use serde_json::Value;

use crate::common::kill::{Random, is_done, kill_at, settled};
use crate::support::{Folder, Server, sample};

const TOKEN: &str = "root:not-to-be-written-down";

/// Two files of 3,500 rows in small batches, so that there is much to cut off.
fn folder(server: &Server, collection: &str, more: &str) -> Folder {
    let folder = Folder::new();
    for name in ["a.h5", "b.h5"] {
        folder.put(&sample(name), &format!("data/{name}"));
    }
    folder.write(
        "run.yaml",
        &format!(
            "version: 1\n\
             source: {{ hdf5: {{ paths: [data/a.h5, data/b.h5], metric: L2 }} }}\n\
             sink: {{ milvus: {{ uri: \"{}\", token: \"{TOKEN}\", collection: {collection}{more} }} }}\n\
             run: {{ batch_rows: 25, log_dir: logs }}\n",
            server.uri
        ),
    );
    folder
}

fn start(folder: &Folder, parallelism: &str) -> Child {
    let flags = ["run", "run.yaml", "-q", "--parallelism", parallelism, "--report", "report.json"];
    let mut command = folder.command(&flags);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Kills the run whenever so many more rows are settled, until it gets to its end; says how often.
fn until_done(folder: &Folder, random: &mut Random, step: u64) -> u32 {
    for kills in 0.. {
        let at = folder.path("");
        let settled = || settled(&at, "run.yaml");
        let enough = settled() + random.below(step);
        let parallelism = (1 + random.below(4)).to_string();
        let mut child = start(folder, &parallelism);
        if !kill_at(&mut child, enough, settled) {
            let code = child.wait().unwrap().code();
            if code != Some(0) {
                let status = folder.pipeline(&["status", "run.yaml"]).stdout;
                panic!("ended with {code:?}: {status}");
            }
            return kills;
        }
        // The next run would be a new one. This one had no time to report.
        if is_done(&at, "run.yaml") {
            return kills;
        }
    }
    0
}

/// The report's first table; none of a run that was killed after its end.
fn report(folder: &Folder) -> Option<Value> {
    let text = std::fs::read_to_string(folder.path("report.json")).ok()?;
    let report: Value = serde_json::from_str(&text).ok()?;
    Some(report["tables"][0].clone())
}

fn no_secret(folder: &Folder) {
    let mut folders = vec![folder.path(".pipeline"), folder.path("logs")];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let secret = TOKEN.split_once(':').unwrap().1.as_bytes();
            assert!(!bytes.windows(secret.len()).any(|w| w == secret), "{}", path.display());
        }
    }
}

#[test]
fn a_new_collection_is_whole_after_any_number_of_kills() {
    let server = Server::milvus();
    let mut random = Random::of(11);
    let mut kills = 0;
    for n in 0..3 {
        let collection = server.collection(&format!("killed_{n}"));
        let folder = folder(&server, &collection.name, "");
        kills += until_done(&folder, &mut random, 1200);
        collection.holds(&["a.h5", "b.h5"]);
        if let Some(table) = report(&folder) {
            let told = (&table["rows_written"], &table["decision"]);
            assert_eq!(told, (&3500.into(), &"created".into()));
            assert_eq!(table["target_rows_after"], 3500);
        }
        no_secret(&folder);
    }
    assert!(kills > 0, "no run was killed");
}

/// `mode: skip` and `on_conflict: fail` mean the collection as the plan found it, not the one that
/// the interrupted run made.
#[test]
fn what_the_interrupted_run_made_is_its_own() {
    let server = Server::milvus();
    let mut random = Random::of(12);
    let collection = server.collection("killed_skip");
    let folder = folder(&server, &collection.name, ", mode: skip");
    until_done(&folder, &mut random, 2000);
    collection.holds(&["a.h5", "b.h5"]);
    // Now it was there before.
    let done = folder.run(&["run.yaml"]);
    assert_eq!(done.table("skipped")["rows_written"], 0);
}

/// Rows of another run in the same collection stay, each rule for ids holds, and counts agree.
#[test]
fn rules_for_ids_hold_after_any_number_of_kills() {
    let server = Server::milvus();
    let mut random = Random::of(13);
    for rule in ["skip", "upsert", "fail"] {
        let collection = server.collection(&format!("killed_{rule}"));
        let first = Folder::new();
        first.put(&sample("a.h5"), "data/a.h5");
        let set = collection.set();
        let config = format!(
            "version: 1\n\
             source: {{ hdf5: {{ paths: [data/a.h5], metric: L2 }} }}\n\
             sink: {{ milvus: {{ uri: \"{}\" }} }}\n",
            server.uri
        );
        first.write("run.yaml", &config);
        assert_eq!(first.run(&["run.yaml", "--set", &set]).code, 0);
        let folder = folder(&server, &collection.name, &format!(", on_conflict: {rule}"));
        if rule == "fail" {
            let text = std::fs::read_to_string(folder.path("run.yaml")).unwrap();
            folder.write("run.yaml", &text.replace("data/a.h5, data/b.h5", "data/b.h5"));
        }
        until_done(&folder, &mut random, 3000);
        collection.holds(&["a.h5", "b.h5"]);
        if let Some(table) = report(&folder) {
            assert_eq!(table["target_rows_after"], 3500, "{rule}");
        }
    }
}

/// Milvus Lite has one row of each id by itself.
#[test]
fn milvus_lite_is_whole_after_any_number_of_kills() {
    let server = Server::lite();
    let mut random = Random::of(14);
    let collection = server.collection("killed_lite");
    let folder = folder(&server, &collection.name, "");
    until_done(&folder, &mut random, 2000);
    collection.holds(&["a.h5", "b.h5"]);
}

/// The old collection is whole until the new one takes its place, and the new one is filled on, not
/// anew, whenever the run is cut off.
#[test]
fn a_collection_that_is_overwritten_is_whole_after_any_number_of_kills() {
    let server = Server::milvus();
    let mut random = Random::of(15);
    let collection = server.collection("killed_over");
    let first = Folder::new();
    first.put(&sample("numbered.h5"), "data/numbered.h5");
    let config = format!(
        "version: 1\n\
         source: {{ hdf5: {{ paths: [data/numbered.h5], metric: L2 }} }}\n\
         sink: {{ milvus: {{ uri: \"{}\" }} }}\n",
        server.uri
    );
    first.write("run.yaml", &config);
    assert_eq!(first.run(&["run.yaml", "--set", &collection.set()]).code, 0);
    let folder = folder(&server, &collection.name, ", mode: overwrite");
    let mut child = start(&folder, "2");
    let at = folder.path("");
    if kill_at(&mut child, 500, || settled(&at, "run.yaml")) {
        collection.holds(&["numbered.h5"]);
    }
    until_done(&folder, &mut random, 1500);
    collection.holds(&["a.h5", "b.h5"]);
    if let Some(table) = report(&folder) {
        let told = (&table["rows_written"], &table["target_rows_before"]);
        assert_eq!(told, (&3500.into(), &500.into()));
    }
}
