//! kill −9 at random moments, and again, until the run is done: the target has just the good rows,
//! and the files of rejects just the others.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::kill::{Random, is_done, kill_at, settled};
use crate::support::{
    Bad, FILES, ROWS, assert_rejected, bad, bad_for_files, count, folder, ids_in, into,
};
use crate::work::{Folder, Server};

/// Runs until it is done; says how often it was killed.
fn until_done(folder: &Folder, random: &mut Random) -> u32 {
    for kills in 0.. {
        let at = folder.path("");
        let settled = || settled(&at, "config.json");
        let enough = settled() + if kills == 0 { 1 } else { random.below(FILES * ROWS / 4) };
        let parallelism = (1 + random.below(4)).to_string();
        let memory = format!("{}KiB", 64 << random.below(6));
        let flags =
            ["run", "config.json", "-q", "--parallelism", &parallelism, "--memory", &memory];
        let mut command = folder.command(&flags);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if !kill_at(&mut child, enough, settled) {
            let code = child.wait().unwrap().code();
            if code != Some(4) {
                panic!("ended with {code:?}: {}", folder.pipeline(&["run", "config.json"]).stderr);
            }
            return kills;
        }
        if is_done(&at, "config.json") {
            return kills;
        }
    }
    0
}

/// As often as a run may be done before it can be killed.
const TEN: [(); 10] = [(); 10];

/// A folder whose run was killed at least once, and is done.
fn killed(mut make: impl FnMut() -> Folder, random: &mut Random) -> Folder {
    for () in TEN {
        let folder = make();
        if until_done(&folder, random) > 0 {
            return folder;
        }
    }
    panic!("ten runs were done before they could be killed");
}

fn run() -> Value {
    json!({ "on_bad_row": "reject", "batch_rows": 20 })
}

#[track_caller]
fn assert_whole(folder: &Folder, bad: impl Fn(u64) -> Option<Bad> + Copy) {
    assert_rejected(folder, bad);
    let verified = folder.pipeline(&["verify", "config.json"]);
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
}

#[test]
fn files_and_rejects_are_whole_after_any_number_of_kills() {
    let mut random = Random::of(11);
    let sink = json!({ "parquet": { "dir": "out" } });
    let folder = killed(|| folder(sink.clone(), json!([]), run()), &mut random);
    assert_whole(&folder, bad_for_files);
    let good = (0..FILES * ROWS).filter(|n| bad_for_files(*n).is_none());
    assert_eq!(ids_in(&folder.path("out")), good.map(|n| n as i64).collect::<Vec<_>>());
}

#[test]
fn servers_and_rejects_are_whole_after_any_number_of_kills() {
    let mut random = Random::of(12);
    for server in [Server::milvus(), Server::lite()] {
        let collections = TEN.map(|_| server.collection("bad_kill"));
        let mut next = collections.iter();
        let make = || folder(into(&server, next.next().unwrap()), json!([]), run());
        let folder = killed(make, &mut random);
        assert_whole(&folder, bad);
    }
}

/// A stage wants whole splits: rows that are settled pass once more, and are not rejected again.
#[test]
fn rejects_come_once_where_rows_pass_again() {
    let mut random = Random::of(13);
    let server = Server::lite();
    let collections = TEN.map(|_| server.collection("bad_stage"));
    let mut next = collections.iter();
    let make = || {
        let transforms = json!([{ "remap": { "strategy": "sequential" } }]);
        let folder = folder(into(&server, next.next().unwrap()), transforms, run());
        let text = std::fs::read_to_string(folder.path("config.json")).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        config["stage"] = json!({ "parquet": { "dir": "staged" } });
        folder.write("config.json", &config.to_string());
        folder
    };
    let folder = killed(make, &mut random);
    let rejected = crate::support::rejects(&folder);
    assert_eq!(rejected.len() as u64, count(bad));
    assert!(rejected.keys().all(|n| bad(*n).is_some()));
    // New ids are the rows' numbers, and the stage has the rows that moved.
    let good = (0..FILES * ROWS).filter(|n| bad(*n).is_none());
    assert_eq!(ids_in(&folder.path("staged")), good.map(|n| n as i64).collect::<Vec<_>>());
    let verified = folder.pipeline(&["verify", "config.json"]);
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
}
