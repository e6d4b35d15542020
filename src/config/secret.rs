//! Values that must not show.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Error, Result};

/// Bytes that a file with a secret may have.
const MAX_FILE: u64 = 64 << 10;

/// A password or token. Printing or serialising it shows stars; only [`expose`](Self::expose)
/// gives the value.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The secret that a configuration gives: written as `key`, or in the file that `key_file`
    /// names, but for a line break at its end.
    ///
    /// # Errors
    /// When the file can't be read, or holds no text. Not the path is told, but the key: a secret
    /// that was written where a path belongs must not show either.
    pub fn given(
        written: Option<&Secret>,
        file: Option<&Path>,
        key: &str,
    ) -> Result<Option<Secret>> {
        let Some(path) = file else { return Ok(written.cloned()) };
        let wrong = |error: io::Error| {
            Error::config(format!("Cannot read the file that {key}_file names"))
                .because(error)
                .help(format!("{key}_file is the path of a file that holds nothing but the secret"))
        };
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
            .map_err(wrong)?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        match text.len() as u64 {
            0 => Err(wrong(io::Error::other("it is empty"))),
            1..=MAX_FILE => Ok(Some(Secret(text.to_owned()))),
            _ => Err(wrong(io::Error::other("it is too large for a secret"))),
        }
    }

    /// Checks that a secret is given in one way at most.
    ///
    /// # Errors
    /// When it is given in both.
    pub fn check_once(written: Option<&Secret>, file: Option<&Path>, key: &str) -> Result<()> {
        if written.is_some() && file.is_some() {
            let name = key.rsplit('.').next().unwrap_or(key);
            return Err(Error::config(format!("Both {key} and {key}_file are given"))
                .help(format!("give either {name} or {name}_file")));
        }
        Ok(())
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Secret(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_file(content: &[u8]) -> Result<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let secret = Secret::given(None, Some(file.path()), "sink.milvus.token")?;
        Ok(secret.unwrap().expose().to_owned())
    }

    #[test]
    fn one_line_break_at_the_end_is_no_part_of_a_secret() {
        for (content, secret) in
            [("a:b", "a:b"), ("a\n", "a"), ("a\r\n", "a"), (" a \n\n", " a \n")]
        {
            assert_eq!(of_file(content.as_bytes()).unwrap(), secret, "{content:?}");
        }
    }

    #[test]
    fn what_is_no_secret_is_told_without_the_path() {
        for content in [&b""[..], b"\n", b"\xff", &[b'x'; MAX_FILE as usize + 1]] {
            let error = of_file(content).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
        }
        let missing = Some(Path::new("/hunter2"));
        let error = Secret::given(None, missing, "sink.milvus.token").unwrap_err().to_string();
        assert!(error.contains("sink.milvus.token_file") && !error.contains("hunter2"), "{error}");
    }
}
