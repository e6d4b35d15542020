//! Address, credentials and deadlines of a Milvus 2.x server.

use std::path::Path;

use super::{Timeouts, TlsConfig, Wait};
use crate::config::Secret;
use crate::error::{Error, Result};
use crate::milvus::Options;

/// What a source or sink was told about its server.
pub(crate) struct Access<'a> {
    /// Where that stands in the configuration: `sink.milvus`.
    pub key: &'static str,
    pub uri: &'a str,
    pub token: Option<&'a Secret>,
    pub token_file: Option<&'a Path>,
    pub user: Option<&'a str>,
    pub password: Option<&'a Secret>,
    pub password_file: Option<&'a Path>,
    pub database: Option<&'a str>,
    pub tls: &'a TlsConfig,
    pub timeouts: &'a Timeouts,
    pub retry_for: Wait,
}

impl Access<'_> {
    /// Settings that contradict each other.
    pub fn check(&self) -> Result<()> {
        let Access { key, .. } = self;
        let wrong = |what: String, help: &str| Err(Error::config(what).help(help));
        let help = "give them with token, or user and password, so that they stay secret";
        check_uri(self.uri, key, help)?;
        Secret::check_once(self.token, self.token_file, &self.token_key())?;
        Secret::check_once(self.password, self.password_file, &self.password_key())?;
        let has_token = self.token.is_some() || self.token_file.is_some();
        let has_password = self.password.is_some() || self.password_file.is_some();
        if has_token && (self.user.is_some() || has_password) {
            return wrong(
                format!("{key} has both a token and a user or password"),
                "give either token, or user and password",
            );
        }
        if self.user.is_some() != has_password {
            return wrong(format!("{key} has only one of user and password"), "give both");
        }
        self.tls.check(key)?;
        self.timeouts.check(key)
    }

    /// The client's options; reads the files of TLS and of secrets.
    pub fn options(&self) -> Result<Options> {
        let mut options = Options::new(self.uri);
        let token = Secret::given(self.token, self.token_file, &self.token_key())?;
        let password = Secret::given(self.password, self.password_file, &self.password_key())?;
        options.token = match (self.user, &password) {
            (Some(user), Some(password)) => Some(format!("{user}:{}", password.expose())),
            _ => token.map(|token| token.expose().to_owned()),
        };
        options.database = self.database.filter(|name| !name.is_empty()).map(str::to_owned);
        options.tls = self.tls.options(self.key)?;
        self.timeouts.apply(&mut options);
        options.retry_for = self.retry_for.duration();
        Ok(options)
    }

    fn token_key(&self) -> String {
        format!("{}.token", self.key)
    }

    fn password_key(&self) -> String {
        format!("{}.password", self.key)
    }
}

/// An address is shown in plans, reports and messages: no credentials may stand in it. `key` is
/// where it stands, `help` where they belong.
pub(crate) fn check_uri(uri: &str, key: &str, help: &str) -> Result<()> {
    match uri.contains('@') {
        true => Err(Error::config(format!("{key}.uri holds credentials")).help(help)),
        false => Ok(()),
    }
}
