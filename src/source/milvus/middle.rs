//! A key in the middle of two others.

use crate::milvus::v2::keys::{Key, KeyRange};

/// A key within a range, so that there is room for keys up to it and behind it; `None` where there
/// is none. The range need not hold it.
pub(super) fn middle(range: &KeyRange, texts: bool) -> Option<Key> {
    match texts {
        false => middle_number(range).map(Key::Number),
        true => {
            let after = match &range.after {
                Some(Key::Text(text)) => text.as_str(),
                _ => "",
            };
            let up_to = match &range.up_to {
                Some(Key::Text(text)) => Some(text.as_str()),
                _ => None,
            };
            middle_text(after, up_to).map(Key::Text)
        }
    }
}

fn middle_number(range: &KeyRange) -> Option<i64> {
    let number = |key: &Option<Key>| match key {
        Some(Key::Number(number)) => Some(i128::from(*number)),
        _ => None,
    };
    let after = number(&range.after).unwrap_or(i128::from(i64::MIN) - 1);
    let up_to = number(&range.up_to).unwrap_or(i128::from(i64::MAX));
    let room = up_to.checked_sub(after).filter(|room| *room >= 2)?;
    i64::try_from(after + room / 2).ok()
}

/// The number after the last character.
const END: u32 = 0x11_0000;

/// Servers compare texts by their bytes in UTF-8, which is the order of their characters' numbers.
fn middle_text(after: &str, up_to: Option<&str>) -> Option<String> {
    let mut out = String::new();
    let mut low = after.chars();
    let mut high = up_to.map(str::chars);
    loop {
        // A text that ends comes before all that go on: as if by a character before the first.
        let here = low.next();
        let first = here.map_or(0, |c| u32::from(c) + 1);
        let last = match &mut high {
            None => END + 1,
            Some(rest) => u32::from(rest.next()?) + 1,
        };
        if let Some(c) = here.filter(|_| first == last) {
            out.push(c);
            continue;
        }
        if first > last {
            return None;
        }
        if let Some(c) = between(first, last) {
            out.push(c);
            return Some(out);
        }
        match here {
            // Neighbours: what is between them begins like the lower one.
            Some(c) => {
                out.push(c);
                high = None;
            }
            // The upper one is the lower one and the very first character, and goes on or not.
            None => {
                out.push('\0');
                return high?.next().map(|_| out);
            }
        }
    }
}

/// A character with a number between two others. They are counted from 1. Texts are mostly of few
/// scripts, so those come first.
fn between(first: u32, last: u32) -> Option<char> {
    let bounds = [0x80, 0x800, 0x1_0000].map(|bound| bound + 1);
    let bound = bounds.into_iter().find(|bound| first < bound - 1 && *bound < last);
    let number = bound.unwrap_or(first + (last - first) / 2);
    let inside = |number: &u32| (first + 1..last).contains(number);
    // Between the two halves of the table are numbers that are no characters.
    let near = [number, 0xD7FF + 1, 0xE000 + 1];
    near.into_iter().filter(inside).find_map(|number| char::from_u32(number - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_halved_to_the_last() {
        let range = |after, up_to| KeyRange {
            after: Some(Key::Number(after)),
            up_to: Some(Key::Number(up_to)),
        };
        assert_eq!(middle(&range(3, 5), false), Some(Key::Number(4)));
        assert_eq!(middle(&range(3, 4), false), None);
        assert_eq!(middle(&range(i64::MIN, i64::MAX), false), Some(Key::Number(-1)));
        assert_eq!(middle(&KeyRange::default(), false), Some(Key::Number(-1)));
        let last = range(i64::MAX - 1, i64::MAX);
        assert_eq!(middle(&last, false), None);
    }

    #[test]
    fn texts_with_no_room_between_them_have_no_middle() {
        assert_eq!(middle_text("a", Some("a\0")), None);
        assert_eq!(middle_text("a", Some("a\0b")), Some("a\0".to_owned()));
        assert_eq!(middle_text("b", Some("a")), None);
        assert_eq!(middle_text("a", Some("a")), None);
    }

    proptest! {
        #[test]
        fn the_middle_lies_between(a in any::<String>(), b in any::<String>()) {
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            if let Some(m) = middle_text(&low, Some(&high)) {
                prop_assert!(low < m && m < high, "{low:?} {m:?} {high:?}");
            } else {
                prop_assert!(low == high || high == format!("{low}\0"), "{low:?} {high:?}");
            }
            prop_assert!(middle_text(&low, None).unwrap() > low);
        }

        #[test]
        fn halving_comes_to_an_end_at_every_text(a in "[a-z0-9/:.]{0,12}") {
            let (mut low, mut high) = (String::new(), None::<String>);
            for _ in 0..400 {
                let Some(m) = middle_text(&low, high.as_deref()) else { break };
                if a <= m { high = Some(m) } else { low = m }
            }
            prop_assert!(low <= a && high.is_none_or(|high| a <= high));
        }
    }
}
