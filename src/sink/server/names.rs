//! Names as a Milvus takes them. Milvus Lite takes more, but what is made there should be able to
//! move on.

use crate::error::{Error, Result};
use crate::milvus::DEFAULT_PARTITION;
use crate::milvus::names::MAX_NAME;
use crate::sink::{NameOf, RefusedName};

/// Which names there are.
pub(crate) const NAME_RULE: &str =
    "letters, digits and underscores, not beginning with a digit, at most 255 characters";

/// Refuses what can't be the name of a `what`; `key` is where another one is given.
pub(crate) fn check_name(what: &str, name: &str, key: &str) -> Result<()> {
    if is_name(name) {
        return Ok(());
    }
    Err(Error::config(format!("`{name}` can't be the name of a Milvus {what}"))
        .help(format!("give another name with {key}: {NAME_RULE}")))
}

/// True for what can be the name of a collection, partition or field.
pub(crate) fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') && name.len() <= MAX_NAME
}

/// What to say about a name that comes from the source, where a Milvus does not take it. `setting` is
/// where the sink's own is given.
pub(crate) fn refused(of: NameOf, name: &str, setting: &'static str) -> Option<RefusedName> {
    if is_name(name) {
        return None;
    }
    let instead = match (of, cleaned(name)) {
        // That partition is another one.
        (NameOf::Partition, Some(clean)) if clean == DEFAULT_PARTITION => "default".to_owned(),
        (_, Some(clean)) => clean,
        (NameOf::Partition, None) => "partition".to_owned(),
        (NameOf::Collection, None) => "collection".to_owned(),
    };
    Some(RefusedName { of, name: name.to_owned(), instead, setting, rule: NAME_RULE })
}

/// Letters with marks, and those without.
const PLAIN: [(&str, &str); 16] = [
    ("àáâãäåāăą", "a"),
    ("çćč", "c"),
    ("ďđ", "d"),
    ("èéêëēėęě", "e"),
    ("ğ", "g"),
    ("ìíîïīįı", "i"),
    ("ł", "l"),
    ("ñńň", "n"),
    ("òóôõöøōő", "o"),
    ("řŕ", "r"),
    ("śšş", "s"),
    ("ťţ", "t"),
    ("ùúûüūůű", "u"),
    ("ýÿ", "y"),
    ("źżž", "z"),
    ("ß", "ss"),
];

/// The nearest name that a Milvus takes, with room for a number behind it; none where nothing of
/// the name can be kept.
fn cleaned(name: &str) -> Option<String> {
    let mut clean = String::new();
    for c in name.chars() {
        let lower = c.to_lowercase().next().unwrap_or(c);
        match PLAIN.iter().find(|(letters, _)| letters.contains(lower)) {
            _ if c.is_ascii_alphanumeric() => clean.push(c),
            Some((_, plain)) if c == lower => clean.push_str(plain),
            Some((_, plain)) => clean.push_str(&plain.to_ascii_uppercase()),
            None if clean.ends_with('_') => {}
            None => clean.push('_'),
        }
    }
    if !clean.contains(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    if clean.starts_with(|c: char| c.is_ascii_digit()) {
        clean.insert(0, '_');
    }
    clean.truncate(MAX_NAME - "_1000000".len());
    Some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_a_server_takes() {
        for name in ["a", "_a1", "Test_2"] {
            assert!(check_name("collection", name, "key").is_ok(), "{name}");
        }
        for name in ["", "1a", "a-b", "a.b", "ä", "a b", &"a".repeat(256)] {
            assert!(check_name("collection", name, "key").is_err(), "{name}");
        }
    }

    #[test]
    fn a_name_is_cleaned_into_one_that_is_taken() {
        for (name, clean) in [
            ("a b", "a_b"),
            ("a - b", "a_b"),
            ("tag ä", "tag_a"),
            ("GRÖẞE", "GROSSE"),
            ("Łódź", "Lodz"),
            ("2026-11", "_2026_11"),
            ("日本 1", "_1"),
            ("_default ", "_default_"),
        ] {
            assert_eq!(cleaned(name).as_deref(), Some(clean));
            assert!(is_name(clean));
        }
        assert_eq!(cleaned("日本"), None);
        assert_eq!(cleaned(""), None);
        let long = cleaned(&"é".repeat(300)).unwrap();
        assert!(is_name(&long) && is_name(&format!("{long}_999999")));
    }
}
