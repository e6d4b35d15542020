//! Damaged files give rows or an error: no panic, no hang, no allocation beyond what they are worth.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use vecpipe::Kind;

use crate::allocator::largest_since;
use crate::common::read::{Way, read_table};
use crate::support::{NEW, OLD, source};

/// What is done to a file's bytes.
#[derive(Debug, Clone)]
enum Damage {
    Flip(prop::sample::Index, u8),
    /// Numbers are what a reader trusts: one becomes another.
    Number(prop::sample::Index, u64),
    Cut(prop::sample::Index),
    Grow(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    // Heads hold what there is to get wrong: half of all places are in the first 300 bytes.
    let place = any::<prop::sample::Index>();
    let number = prop_oneof![any::<u64>(), 0..70_000u64, Just(u64::MAX), Just(1 << 40)];
    prop_oneof![
        (place.clone(), 1..=255u8).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        (place.clone(), number).prop_map(|(at, number)| Damage::Number(at, number)),
        place.clone().prop_map(Damage::Cut),
        (place.clone(), prop::collection::vec(any::<u8>(), 1..40))
            .prop_map(|(at, bytes)| Damage::Grow(at, bytes)),
        (place, 1..40usize).prop_map(|(at, count)| Damage::Remove(at, count)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage, in_head: bool) {
    let len = if in_head { bytes.len().min(300) } else { bytes.len() };
    if len == 0 {
        return;
    }
    match damage {
        Damage::Flip(at, bits) => bytes[at.index(len)] ^= bits,
        Damage::Number(at, number) => {
            let at = at.index(len);
            let end = bytes.len().min(at + 8);
            bytes[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
        }
        Damage::Cut(at) => bytes.truncate(at.index(len)),
        Damage::Grow(at, more) => {
            let at = at.index(len);
            bytes.splice(at..at, more.iter().copied());
        }
        Damage::Remove(at, count) => {
            let at = at.index(len);
            bytes.drain(at..bytes.len().min(at + count));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damaged_files_give_rows_or_an_error(
        which in any::<prop::sample::Index>(),
        damages in prop::collection::vec((damage(), any::<bool>()), 1..4),
    ) {
        let all: Vec<_> = OLD.iter().chain(NEW.iter()).collect();
        let case = all[which.index(all.len())];
        let mut bytes = std::fs::read(case.path()).unwrap();
        for (damage, in_head) in &damages {
            apply(&mut bytes, damage, *in_head);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.index");
        std::fs::write(&path, &bytes).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let way = Way { batch_rows: 100, batch_bytes: 64 << 10, ..Way::PLAIN };
        largest_since();
        let done = runtime.block_on(async {
            let source = source(&[&path], json!({ "lossy": "allow" }));
            let read = async {
                let table = source.tables().await?.remove(0);
                read_table(&*source, &table, 1, &way.context()).await
            };
            tokio::time::timeout(Duration::from_secs(60), read).await.expect("no hang")
        });
        let largest = largest_since();
        if let Err(error) = &done {
            prop_assert!(error.kind() == Kind::Source, "{:?}: {}", case.file, error);
        }
        // Rows are collected here, which takes as much as they are; everything else is small.
        let rows = done.map_or(0, |rows| rows.get_array_memory_size());
        let allowed = 2 * bytes.len() + 4 * rows + (4 << 20);
        prop_assert!(largest <= allowed, "{}: {largest} bytes at once for {}", case.file, bytes.len());
    }
}
