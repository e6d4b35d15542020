//! Names of what stands beside a collection: a little of its own name, and what it is for. Those of
//! marks, by which runs mark their targets, no reader wants.

use twox_hash::XxHash3_128;

/// Longest name of a collection, partition or field.
pub(crate) const MAX_NAME: usize = 255;

/// What comes between a target's name and the number of its mark.
const MARK: &str = "_vecpipe_mark_";

/// The property in which a mark says whose it is.
pub(crate) const MARK_PROPERTY: &str = "vecpipe.mark";

/// A name with something behind it, as long as a name may be. What is cut off counts all the same.
pub(crate) fn longer(name: &str, suffix: &str) -> String {
    if name.len() + suffix.len() <= MAX_NAME {
        return format!("{name}{suffix}");
    }
    let hash = format!("_{:016x}", XxHash3_128::oneshot(name.as_bytes()) as u64);
    let kept: String = name.chars().take(MAX_NAME - hash.len() - suffix.len()).collect();
    format!("{kept}{hash}{suffix}")
}

/// The name of a collection's mark.
pub(crate) fn of_mark(collection: &str, number: u32) -> String {
    longer(collection, &format!("{MARK}{number}"))
}

/// The name of the beat of a mark: one of two that take turns.
pub(crate) fn of_beat(collection: &str, number: u32, count: u64) -> String {
    longer(collection, &format!("{MARK}{number}_beat_{}", count % 2))
}

/// The number of the mark of `collection` that has this name.
fn number_of_mark(collection: &str, name: &str) -> Option<u32> {
    let (_, number) = name.rsplit_once(MARK)?;
    number.parse().ok().filter(|number| of_mark(collection, *number) == name)
}

/// The numbers of a collection's marks among these names, lowest first.
pub(crate) fn numbers_of_marks(collection: &str, names: &[String]) -> Vec<u32> {
    let mut numbers: Vec<_> =
        names.iter().filter_map(|name| number_of_mark(collection, name)).collect();
    numbers.sort_unstable();
    numbers
}

/// True when a collection is no more than a mark, by its name.
pub(crate) fn is_mark(name: &str) -> bool {
    let Some((_, end)) = name.rsplit_once(MARK) else { return false };
    let number = end.split_once("_beat_").map_or(end, |(number, _)| number);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_known_by_their_names() {
        assert!(is_mark("test_vecpipe_mark_1") && is_mark("a_vecpipe_mark_12_beat_0"));
        for other in ["test", "_vecpipe_mark_", "test_vecpipe_mark_x", "a_vecpipe_marks_1"] {
            assert!(!is_mark(other), "{other}");
        }
    }

    #[test]
    fn marks_of_long_names_are_found() {
        for name in ["t".to_owned(), "t".repeat(MAX_NAME)] {
            assert_eq!(number_of_mark(&name, &of_mark(&name, 12)), Some(12));
            assert_eq!(number_of_mark(&name, &of_beat(&name, 12, 1)), None);
            assert_eq!(number_of_mark(&name[1..], &of_mark(&name, 12)), None);
        }
    }
}
