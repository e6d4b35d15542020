//! Every kind of target, in every way that it is written to: a run that exited with 0, and that no later one
//! replaced, has each of its rows there once, with its own values.

use crate::target::{From, Kind, Target, Way};

/// All cells.
pub fn cells() -> Vec<(Kind, Way)> {
    let mut cells = Vec::new();
    for kind in [Kind::Folder, Kind::Bucket, Kind::Hdf5, Kind::Milvus, Kind::Lite] {
        cells.extend([(kind, Way::Append), (kind, Way::Overwrite)]);
    }
    for kind in [Kind::Folder, Kind::Bucket] {
        cells.extend([(kind, Way::Stage), (kind, Way::Dump)]);
    }
    cells
}

/// The sources whose rows must be there, of runs that ended with these codes, in this order.
fn to_hold(way: Way, ended: &[(From, i32)]) -> Vec<From> {
    let done = ended.iter().filter(|(_, code)| *code == 0).map(|(from, _)| *from);
    match way {
        Way::Append | Way::Stage => done.collect(),
        // The last one replaced the others.
        Way::Overwrite | Way::Dump => done.rev().take(1).collect(),
    }
}

/// A is killed; B, of another source, is refused, takes over, and moves everything; A is run again.
#[test]
fn a_run_of_another_source_after_a_kill() {
    for (kind, way) in cells() {
        let target = Target::new(kind, way);
        assert!(target.start_and_kill(From::A), "A was at work: {target:?}");
        let refused = target.run(From::B, &[]);
        assert_eq!(refused.code, 75, "{target:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("Another run holds the target"), "{}", refused.stderr);
        assert!(refused.stderr.contains("--take-over"), "{}", refused.stderr);
        let b = target.run(From::B, &["--take-over"]);
        let a = target.run(From::A, &[]);
        let ended = [(From::B, b.code), (From::A, a.code)];
        assert!(
            ended.iter().any(|(_, code)| *code == 0),
            "{target:?}: nobody came through: {} {}",
            b.stderr,
            a.stderr
        );
        // Where A's mark was given back, or it had to begin again, its first rows may be there, too.
        let alone = matches!(way, Way::Overwrite | Way::Dump) || ended.iter().all(|(_, c)| *c == 0);
        target.holds(&to_hold(way, &ended), alone);
        // What went wrong was refused before anything was written in its place.
        for done in [&b, &a] {
            assert!([0, 1, 2].contains(&done.code), "{target:?}: {}", done.stderr);
        }
    }
}

/// A and B are started at the same moment: whoever is refused comes again when the other one is done.
#[test]
fn two_sources_at_the_same_moment() {
    for (kind, way) in cells() {
        let target = Target::new(kind, way);
        let children = [From::A, From::B].map(|from| (from, target.start(from)));
        let mut ended: Vec<_> = children
            .into_iter()
            .map(|(from, child)| {
                let output = child.wait_with_output().unwrap();
                (from, output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
            })
            .collect();
        // Whoever worked ended before whoever was refused is run again.
        ended.sort_by_key(|(_, code, _)| *code);
        let codes: Vec<_> = ended.iter().map(|(_, code, _)| *code).collect();
        assert_eq!(codes, [0, 75], "{target:?}: {ended:?}");
        target.holds(&[ended[0].0], true);
        let second = target.run(ended[1].0, &[]);
        let order = [(ended[0].0, 0), (ended[1].0, second.code)];
        target.holds(&to_hold(way, &order), true);
        let same_ids = matches!(kind, Kind::Milvus | Kind::Lite) && way == Way::Append;
        let code = if same_ids {
            1
        } else if way == Way::Dump {
            2
        } else {
            0
        };
        assert_eq!(second.code, code, "{target:?}: {}", second.stderr);
        assert!(target.left().is_empty(), "{target:?}: {:?}", target.left());
    }
}

/// A is killed and resumed, with nobody in between: no flag is needed.
#[test]
fn a_run_that_is_resumed_has_its_own_mark() {
    for (kind, way) in cells() {
        let target = Target::new(kind, way);
        assert!(target.start_and_kill(From::A), "A was at work: {target:?}");
        assert!(!target.left().is_empty(), "{target:?}: a mark");
        let again = target.run(From::A, &[]);
        assert_eq!(again.code, 0, "{target:?}: {}", again.stderr);
        target.holds(&[From::A], true);
        assert!(target.left().is_empty(), "{target:?}: {:?}", target.left());
    }
}
