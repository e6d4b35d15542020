//! Names of tables and partitions as names of files and folders, and back.

use crate::error::{Error, Result};

/// Longest name of a file or folder, in bytes, on the file systems in common use.
pub const LONGEST: usize = 255;

/// Name of the manifest in a table's folder of Parquet files; no partition's folder is called so.
pub const MANIFEST: &str = "manifest.json";

/// Turns any name into the name of one file or folder.
///
/// Separators, control characters, characters that some file systems refuse, `%` itself, and a dot
/// at the start become `%` and two hexadecimal digits for each byte; the empty name becomes `%`
/// alone. So no name escapes its parent folder, none is hidden, and [`decode`] gives it back.
///
/// # Errors
/// [`Kind::Config`](crate::error::Kind::Config) when the result is too long for a file system.
pub fn encode(name: &str) -> Result<String> {
    if name.is_empty() {
        return Ok("%".to_owned());
    }
    let mut encoded = String::with_capacity(name.len());
    for (at, c) in name.char_indices() {
        let first_of_special = at == 0 && (c == '.' || name == MANIFEST);
        if first_of_special || c.is_control() || r#"%/\<>:"|?*"#.contains(c) {
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dangerous_names_stay_in_their_folder() {
        for (name, folder) in [
            ("test", "test"),
            ("a/b", "a%2Fb"),
            ("..", "%2E."),
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

    proptest! {
        #[test]
        fn any_name_comes_back(name in any::<String>()) {
            if let Ok(folder) = encode(&name) {
                prop_assert!(!folder.is_empty() && !folder.contains('/') && !folder.starts_with('.'));
                prop_assert_eq!(decode(&folder), Some(name));
            }
        }
    }
}
