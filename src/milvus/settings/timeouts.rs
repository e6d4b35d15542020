//! How long to wait for a server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Wait;
use crate::error::{Error, Result};
use crate::milvus::Options;

/// How long to wait for answers.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Wait,
    /// For the answer to one request.
    pub request: Wait,
    /// For work in the server's background: loading, flushing.
    pub wait: Wait,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Wait::seconds(10),
            request: Wait::seconds(120),
            wait: Wait::seconds(1800),
        }
    }
}

impl Timeouts {
    /// Spans that make no sense; `key` is where they stand.
    pub(crate) fn check(&self, key: &str) -> Result<()> {
        for (name, wait) in
            [("connect", self.connect), ("request", self.request), ("wait", self.wait)]
        {
            if wait.duration().is_zero() {
                return Err(Error::config(format!("{key}.timeouts.{name} is 0"))
                    .help("write a span of time such as 30s"));
            }
        }
        Ok(())
    }

    /// Sets them in a client's options.
    pub(crate) fn apply(&self, options: &mut Options) {
        options.connect_timeout = self.connect.duration();
        options.request_timeout = self.request.duration();
        options.wait_timeout = self.wait.duration();
    }
}
