//! `s3://bucket/prefix`: what an address of a store says.

use crate::error::{Error, Result};
use crate::words;

/// Whose store it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Amazon S3, and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

/// The schemes that are known, as `object_store` knows them.
const SCHEMES: [(&str, Provider); 8] = [
    ("s3", Provider::S3),
    ("s3a", Provider::S3),
    ("gs", Provider::Google),
    ("az", Provider::Azure),
    ("azure", Provider::Azure),
    ("adl", Provider::Azure),
    ("abfs", Provider::Azure),
    ("abfss", Provider::Azure),
];

/// An address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Whose store.
    pub provider: Provider,
    /// The scheme and the bucket: `s3://bucket`.
    pub root: String,
    /// The bucket; Azure calls it a container.
    pub bucket: String,
    /// The account's host, where the address names it: `abfss://container@account.dfs.core.windows.net`.
    pub account: Option<String>,
    /// The name within the bucket, without slashes at its ends. Empty for the bucket itself.
    pub key: String,
}

impl Address {
    /// Whether `text` is an address of a store, as far as its scheme tells.
    pub fn is_one(text: &str) -> bool {
        let is_known = |scheme: &str| SCHEMES.iter().any(|(s, _)| s.eq_ignore_ascii_case(scheme));
        text.split_once("://").is_some_and(|(scheme, _)| is_known(scheme))
    }

    /// Takes `text` apart; `None` when it is no address but a path.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) when its scheme is unknown, when it names no bucket,
    /// or holds what is no name.
    pub fn parse(text: &str) -> Result<Option<Address>> {
        let Some((scheme, rest)) = text.split_once("://") else { return Ok(None) };
        if scheme.contains(['/', '\\', '.']) {
            return Ok(None);
        }
        let known = SCHEMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(scheme));
        let Some((scheme, provider)) = known else {
            let names = SCHEMES.map(|(name, _)| name);
            let error = Error::config(format!("`{scheme}://` is no kind of store that is known"));
            return Err(match words::suggest(scheme, &names) {
                Some(help) => error.help(help),
                None => error,
            });
        };
        let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
        let (bucket, account) = match (authority.split_once('@'), provider) {
            (Some((container, host)), Provider::Azure) if !container.contains(':') => {
                (container, Some(host.to_owned()))
            }
            (Some(_), _) => {
                return Err(Error::config(format!(
                    "An address that starts with {scheme}:// holds no user or password"
                ))
                .help("give credentials by `storage:` or by the environment"));
            }
            (None, _) => (authority, None),
        };
        if bucket.is_empty() || account.as_deref() == Some("") {
            return Err(Error::config(format!("`{text}` names no bucket"))
                .help(format!("write it like {scheme}://bucket/folder")));
        }
        let key = key.trim_matches('/');
        let is_name = |part: &str| {
            !matches!(part, "" | "." | "..") && !part.contains(|c: char| c.is_ascii_control())
        };
        if !key.is_empty() && !key.split('/').all(is_name) {
            return Err(Error::config(format!(
                "`{key}` is no name in a store: a part of it is empty, `.`, `..`, or holds control characters"
            )));
        }
        Ok(Some(Address {
            provider: *provider,
            root: format!("{scheme}://{authority}"),
            bucket: bucket.to_owned(),
            account,
            key: key.to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String) {
        let address = Address::parse(text).unwrap().unwrap();
        (address.root, address.key)
    }

    #[test]
    fn addresses_are_taken_apart_and_paths_are_none() {
        let owned = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(parts("s3://b/a%20b/c/"), owned("s3://b", "a%20b/c"));
        assert_eq!(parts("GS://b"), owned("gs://b", ""));
        let azure = "abfss://c@me.dfs.core.windows.net/a";
        assert_eq!(parts(azure), owned("abfss://c@me.dfs.core.windows.net", "a"));
        for path in ["out", "/out/s3:/x", "./s3://x", "C:\\out", "a/b://c"] {
            assert_eq!(Address::parse(path).unwrap(), None, "{path}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_told_without_secrets() {
        let told = |text: &str| {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{text}");
            error.to_string()
        };
        assert!(told("s4://b/a").contains("did you mean `s3`?"));
        assert!(told("https://b/a").contains("`https://` is no kind of store"));
        assert!(told("s3:///a").contains("names no bucket"));
        assert!(told("s3://b/a//c").contains("a part of it is empty"));
        assert!(told("s3://b/../c").contains("`..`"));
        for text in ["s3://key:hunter2@b/a", "abfss://c:hunter2@h/a"] {
            let told = told(text);
            assert!(told.contains("holds no user") && !told.contains("hunter2"), "{told}");
        }
    }
}
