//! What a refused run says, and marks that are old.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::target::{From, Kind, Target, Way};

/// A run of another machine, which can't be asked whether it is at work.
fn put_elsewhere(target: &Target, silent_for: u64) {
    let table = target.dir().join("news");
    let path = table.join(".vecpipe-mark-1");
    let mut mark: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    mark["process"]["space"] = json!("another boot");
    mark["process"]["host"] = json!("elsewhere");
    fs::write(&path, mark.to_string()).unwrap();
    // One that was killed early has not renewed it.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let beat = json!({ "run": mark["run"], "count": 1, "at": now - silent_for });
    fs::write(table.join(".vecpipe-beat-1"), beat.to_string()).unwrap();
}

#[test]
fn a_run_of_another_machine_is_taken_over_after_two_minutes_of_silence() {
    let target = Target::new(Kind::Folder, Way::Append);
    assert!(target.start_and_kill(From::A), "A was at work");
    put_elsewhere(&target, 60);
    let b = target.run(From::B, &["--take-over"]);
    assert_eq!(b.code, 75, "{}", b.stderr);
    assert!(b.stderr.contains("on elsewhere), at work 1 min"), "{}", b.stderr);
    put_elsewhere(&target, 120);
    let b = target.run(From::B, &["--take-over"]);
    assert_eq!(b.code, 0, "{}", b.stderr);
    target.holds(&[From::B], true);
    // The first one's parts are still its own.
    let a = target.run(From::A, &[]);
    assert_eq!(a.code, 0, "{}", a.stderr);
    target.holds(&[From::A, From::B], true);
}

#[test]
fn rows_of_two_runs_are_not_mixed_when_a_server_changed_hands() {
    for kind in [Kind::Milvus, Kind::Lite] {
        let target = Target::new(kind, Way::Append);
        assert!(target.start_and_kill(From::A), "A was at work");
        let b = target.run(From::B, &["--take-over", "--set", "sink.milvus.on_conflict=skip"]);
        assert_eq!(b.code, 0, "{}", b.stderr);
        // Rows of B have ids that A checked before B came.
        let a = target.run(From::A, &[]);
        assert_eq!(a.code, 1, "{}", a.stderr);
        assert!(a.stderr.contains("another run took its target over"), "{}", a.stderr);
        let a = target.run(From::A, &["--restart", "--set", "sink.milvus.on_conflict=skip"]);
        assert_eq!(a.code, 0, "{}", a.stderr);
        let rows = target.rows();
        assert!(rows.values().all(|times| *times == 1));
        assert_eq!(rows.len() as i64, From::A.ids().end - From::B.ids().start);
    }
}

#[test]
fn a_run_is_resumed_by_another_spelling_of_its_server() {
    for kind in [Kind::Milvus, Kind::Lite] {
        let target = Target::new(kind, Way::Append);
        assert!(target.start_and_kill(From::A), "A was at work");
        let config = target.config();
        let respelled = config.replace("127.0.0.1", "LOCALHOST");
        assert_ne!(config, respelled);
        target.folder(From::A).write("run.yaml", &respelled);
        let a = target.run(From::A, &[]);
        assert_eq!(a.code, 0, "{}", a.stderr);
        target.holds(&[From::A], true);
    }
}

#[test]
fn the_mark_of_a_collection_holds_for_its_aliases() {
    for kind in [Kind::Milvus, Kind::Lite] {
        let target = Target::new(kind, Way::Append);
        assert!(target.start_and_kill(From::A), "A was at work");
        let (uri, name) = (target.uri(), target.name());
        let alias = format!("{name}_alias");
        target.ask(&json!({ "do": "alias", "uri": uri, "collection": name, "alias": alias }));
        let to_alias = format!("sink.milvus.collection={alias}");
        let b = target.run(From::B, &["--set", &to_alias]);
        target.ask(&json!({ "do": "unalias", "uri": uri, "alias": alias }));
        assert_eq!(b.code, 75, "{}", b.stderr);
        let a = target.run(From::A, &[]);
        assert_eq!(a.code, 0, "{}", a.stderr);
        target.holds(&[From::A], true);
    }
}
