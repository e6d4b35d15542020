//! Names of tables and partitions as names of files and folders, and back.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Longest name of a file or folder, in bytes, on the file systems in common use.
pub const LONGEST: usize = 255;

/// Name of the manifest in a table's folder of Parquet files; no partition's folder is called so.
pub const MANIFEST: &str = "manifest.json";

/// Turns any name into the name of one file or folder.
///
/// Separators, control characters, characters that some file systems refuse, `%` itself, a dot at
/// the start, and a dot or a space at the end become `%` and two hexadecimal digits for each byte;
/// so does the first character of names that mean a device to Windows. The empty name becomes `%`
/// alone. So no name escapes its parent folder, none is hidden, two names never become one, and
/// [`decode`] gives them back.
///
/// Names that differ in upper and lower case alone stay two names; a file system that takes them for
/// one can't hold both.
///
/// # Errors
/// [`Kind::Config`](crate::error::Kind::Config) when the result is too long for a file system.
pub fn encode(name: &str) -> Result<String> {
    if name.is_empty() {
        return Ok("%".to_owned());
    }
    let mut encoded = String::with_capacity(name.len());
    for (at, c) in name.char_indices() {
        let first_of_special =
            at == 0 && (c == '.' || name.eq_ignore_ascii_case(MANIFEST) || is_device(name));
        let last_of_special = at + c.len_utf8() == name.len() && matches!(c, '.' | ' ');
        if first_of_special || last_of_special || c.is_control() || r#"%/\<>:"|?*"#.contains(c) {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        } else {
            encoded.push(c);
        }
    }
    if encoded.len() > LONGEST {
        return Err(Error::config(format!(
            "The name `{name}` takes {} bytes as the name of a file or folder, {LONGEST} at most fit",
            encoded.len()
        )));
    }
    Ok(encoded)
}

/// The folder that tables of a database lie in, below that of all.
///
/// # Errors
/// When the name is too long for a file system.
pub fn folder_of(dir: &Path, database: Option<&str>) -> Result<PathBuf> {
    Ok(match database {
        Some(database) => dir.join(encode(database)?),
        None => dir.to_owned(),
    })
}

/// Names that Windows takes for a device, whatever comes after a dot.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |kind| {
        stem.strip_prefix(kind).is_some_and(|rest: &str| {
            matches!(rest, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
        })
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

/// The name that [`encode`] turned into `folder`; `None` for what it never makes.
pub fn decode(folder: &str) -> Option<String> {
    if folder == "%" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(folder.len());
    let mut rest = folder.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    // Other spellings of the same name (`%41` for `A`) are not ours.
    (encode(&name).ok().as_deref() == Some(folder)).then_some(name)
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dangerous_names_stay_in_their_folder() {
        for (name, folder) in [
            ("test", "test"),
            ("a/b", "a%2Fb"),
            ("..", "%2E%2E"),
            ("a.", "a%2E"),
            ("a ", "a%20"),
            ("con", "%63on"),
            ("NUL.tar.gz", "%4EUL.tar.gz"),
            ("LPT1", "%4CPT1"),
            ("LPT10", "LPT10"),
            ("console", "console"),
            ("Manifest.json", "%4Danifest.json"),
            (".", "%2E"),
            (".hidden", "%2Ehidden"),
            ("", "%"),
            ("%", "%25"),
            ("a\u{0}b\n", "a%00b%0A"),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            ("manifest.json", "%6Danifest.json"),
            ("größe", "größe"),
        ] {
            assert_eq!(encode(name).unwrap(), folder);
            assert_eq!(decode(folder).as_deref(), Some(name));
        }
        assert!(encode(&"x".repeat(256)).is_err());
        assert_eq!(decode("%zz"), None);
        assert_eq!(decode("%41"), None);
        assert_eq!(decode("%+1"), None);
    }

    /// One plain component of a path, which any file system can hold, and only this name's. (Names
    /// that are too long are refused.)
    fn is_harmless_and_comes_back(name: &str) -> bool {
        let Ok(folder) = encode(name) else { return name.len() > LONGEST / 3 };
        let components: Vec<_> = Path::new(&folder).components().collect();
        let is_plain = components == [Component::Normal(folder.as_ref())];
        let hides = folder.starts_with('.') || folder.ends_with(['.', ' ']);
        let is_odd = |c: char| c.is_control() || r#"/\<>:"|?*"#.contains(c);
        is_plain
            && !hides
            && !folder.contains(is_odd)
            && folder.len() <= LONGEST
            && decode(&folder).as_deref() == Some(name)
    }

    proptest! {
        #[test]
        fn any_name_comes_back(name in any::<String>()) {
            prop_assert!(is_harmless_and_comes_back(&name));
        }

        #[test]
        fn names_of_what_is_special_come_back(name in "[./\\\\%:*a \u{0}-\u{1f}é日]{0,12}") {
            prop_assert!(is_harmless_and_comes_back(&name));
        }

        #[test]
        fn two_names_never_become_one(a in "[./%2Ea ]{0,5}", b in "[./%2Ea ]{0,5}") {
            prop_assert_eq!(a == b, encode(&a).unwrap() == encode(&b).unwrap());
        }

        #[test]
        fn no_folder_has_two_names(folder in "[%2EFa.]{0,6}") {
            if let Some(name) = decode(&folder) {
                prop_assert_eq!(encode(&name).unwrap(), folder);
            }
        }
    }
}
