//! What of a configuration matters to a run that goes on where another one stopped.

use serde_json::Value;

use super::Config;
use super::mask;
use crate::error::{Error, Result};
use crate::milvus::connection::canonical;

/// Settings of the run that change how fast it is and what it tells, not what it moves.
const OF_THE_RUN: [&str; 6] =
    ["parallelism", "memory", "batch_rows", "state_dir", "rejects_dir", "log_dir"];
/// Settings of a server that change how it is talked to.
const OF_A_SERVER: [&str; 4] = ["timeouts", "retry_for", "storage", "tls"];

impl Config {
    /// The settings that two runs must share for one to go on with the other, without secrets.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) when they can't be written as JSON.
    pub fn settings_that_matter(&self) -> Result<Value> {
        let mut settings = serde_json::to_value(self)
            .map_err(|error| Error::internal("The settings can't be kept").because(error))?;
        forget(settings.get_mut("run"), &OF_THE_RUN);
        for place in ["source", "sink", "stage"] {
            let kinds = settings.get_mut(place).and_then(Value::as_object_mut);
            for (_, of_kind) in kinds.into_iter().flatten() {
                forget(Some(of_kind), &OF_A_SERVER);
                if let Some(uri) = of_kind.get_mut("uri").filter(|uri| uri.is_string()) {
                    *uri = canonical(uri.as_str().unwrap_or_default()).into();
                }
            }
        }
        mask::values(&mut settings);
        Ok(settings)
    }
}

fn forget(map: Option<&mut Value>, keys: &[&str]) {
    if let Some(map) = map.and_then(Value::as_object_mut) {
        map.retain(|key, _| !keys.contains(&key.as_str()));
    }
}
