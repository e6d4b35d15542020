//! `storage:`, the options of a store as the configuration gives them.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::config::Secret;

/// Options by their names. None of the values shows: some are keys to everything that somebody has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Storage(BTreeMap<String, Secret>);

impl Storage {
    /// True when there are no options.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The options, by name.
    #[cfg(feature = "object-store")]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl JsonSchema for Storage {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Storage".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Options of an object store by their names, like aws_region or aws_endpoint.",
            "type": "object",
            "additionalProperties": { "type": ["string", "boolean", "integer"] },
        })
    }
}
