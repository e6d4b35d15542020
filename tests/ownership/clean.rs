//! What killed runs leave is listed, and removed on request; what has a beat stays.

use serde_json::json;

use crate::target::{From, Kind, Target, Way};

/// `VECPIPE_KILLS` killed runs, or a few, each with a state folder of its own: nobody takes up what
/// they left.
#[test]
fn killed_overwriting_runs_leave_nothing_behind_a_clean() {
    let kills: usize = std::env::var("VECPIPE_KILLS").map_or(2, |kills| kills.parse().unwrap());
    for kind in [Kind::Folder, Kind::Bucket, Kind::Hdf5, Kind::Milvus, Kind::Lite] {
        let target = Target::new(kind, Way::Overwrite);
        let first = target.run(From::B, &[]);
        assert_eq!(first.code, 0, "{kind:?}: {}", first.stderr);
        for n in 0..kills {
            // Another state folder, so that no run knows of the one before.
            let config = target.config();
            let config = config.replace("run: {", &format!("run: {{ state_dir: s{n},"));
            target.folder(From::A).write("run.yaml", &config);
            let killed = target.start_and_kill_taking_over(From::A);
            assert!(killed, "{kind:?}: run {n} was at work");
        }
        let listed = target.folder(From::A).pipeline(&["clean", "run.yaml"]);
        assert_eq!(listed.code, 0, "{kind:?}: {}", listed.stderr);
        assert!(listed.stdout.contains("Nothing was removed"), "{}", listed.stdout);
        assert!(listed.stdout.contains("dead"), "{}", listed.stdout);
        let planned = target.folder(From::B).pipeline(&["plan", "run.yaml"]);
        assert!(planned.stdout.contains("Left by other runs"), "{}", planned.stdout);
        assert!(!target.left().is_empty(), "{kind:?}");
        let cleaned = target.folder(From::A).pipeline(&["clean", "run.yaml", "--yes"]);
        assert_eq!(cleaned.code, 0, "{kind:?}: {}", cleaned.stderr);
        assert!(target.left().is_empty(), "{kind:?}: {:?}\n{}", target.left(), cleaned.stdout);
        target.holds(&[From::B], true);
        // The interrupted run is forgotten: the next one begins with its first row.
        let again = target.run(From::A, &[]);
        assert_eq!(again.code, 0, "{kind:?}: {}", again.stderr);
        target.holds(&[From::A], true);
        assert!(target.left().is_empty(), "{kind:?}: {:?}", target.left());
    }
}

#[test]
fn what_a_run_at_work_holds_is_not_cleaned() {
    for kind in [Kind::Folder, Kind::Lite] {
        let target = Target::new(kind, Way::Overwrite);
        let mut child = target.start(From::A);
        target.wait_for_rows(From::A, &mut child);
        let cleaned = target.folder(From::B).pipeline(&["clean", "run.yaml", "--yes"]);
        assert_eq!(cleaned.code, 0, "{}", cleaned.stderr);
        assert!(cleaned.stdout.contains("nothing to remove"), "{}", cleaned.stdout);
        assert!(cleaned.stderr.contains("Another run holds the target"), "{}", cleaned.stderr);
        let taken = target.run(From::B, &["--take-over"]);
        assert_eq!(taken.code, 75, "nor is it taken over: {}", taken.stderr);
        assert!(child.wait().unwrap().success());
        target.holds(&[From::A], true);
    }
}

/// A run that takes over, and then fails before it changes anything, gives the target back.
#[test]
fn a_run_that_took_over_and_came_to_nothing_gives_the_target_back() {
    for kind in [Kind::Milvus, Kind::Lite] {
        let target = Target::new(kind, Way::Append);
        assert!(target.start_and_kill(From::A), "A was at work");
        let b = target.run(From::B, &["--take-over"]);
        assert_eq!(b.code, 1, "half of its ids are there: {}", b.stderr);
        let again = target.run(From::A, &[]);
        assert_eq!(again.code, 0, "{}", again.stderr);
        target.holds(&[From::A], true);
    }
}

/// A dump of a whole server does not hold the marks of runs.
#[test]
fn marks_are_not_read() {
    let target = Target::new(Kind::Lite, Way::Append);
    assert!(target.start_and_kill(From::A), "A was at work");
    let names = target.ask(&json!({ "do": "names", "uri": target.uri(), "prefix": target.name() }));
    assert_eq!(names["names"].as_array().unwrap().len(), 2, "{names}");
    let shown = target.folder(From::A).pipeline(&["inspect", &target.uri()]);
    assert!(!shown.stdout.contains("_vecpipe_mark_"), "{}", shown.stdout);
}
