//! Pairs of runs that start at the same moment, from two state folders: exactly one of each works.

use crate::target::{From, Kind, Target, Way};

/// `VECPIPE_PAIRS` pairs on each server, or a few.
#[test]
fn exactly_one_of_a_pair_works() {
    let pairs = std::env::var("VECPIPE_PAIRS").map_or(2, |pairs| pairs.parse().unwrap());
    for kind in [Kind::Milvus, Kind::Lite] {
        let mut won = [0, 0];
        for n in 0..pairs {
            let way = if n % 2 == 0 { Way::Append } else { Way::Overwrite };
            let target = Target::new(kind, way);
            let children = [target.start(From::A), target.start(From::B)];
            let ended = children.map(|child| {
                let output = child.wait_with_output().unwrap();
                (output.status.code(), String::from_utf8(output.stderr).unwrap())
            });
            let winner = ended.iter().position(|(code, _)| *code == Some(0));
            let winner = winner.unwrap_or_else(|| panic!("nobody works: {ended:?}"));
            let (code, words) = &ended[1 - winner];
            assert_eq!(*code, Some(75), "{kind:?}, pair {n}: {words}");
            let from = [From::A, From::B][winner];
            target.holds(&[from], true);
            assert!(target.left().is_empty(), "{:?}", target.left());
            won[winner] += 1;
        }
        println!("{kind:?}: {pairs} pairs, won {won:?}");
    }
}
