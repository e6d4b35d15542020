//! Addresses of servers.

use crate::error::{Error, Result};

/// An address is shown in plans, reports and messages: no credentials may stand in it. `key` is
/// where it stands, `help` where they belong.
pub(crate) fn check_uri(uri: &str, key: &str, help: &str) -> Result<()> {
    match uri.contains('@') {
        true => Err(Error::config(format!("{key}.uri holds credentials")).help(help)),
        false => Ok(()),
    }
}
