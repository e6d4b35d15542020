//! Names of the collections by which runs mark their targets: no reader wants them.

/// What comes between a target's name and the number of its mark.
pub(crate) const MARK: &str = "_vecpipe_mark_";

/// The property in which a mark says whose it is.
pub(crate) const MARK_PROPERTY: &str = "vecpipe.mark";

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
}
