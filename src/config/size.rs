//! Sizes in bytes, as people write them.

use std::borrow::Cow;
use std::str::FromStr;

use bytesize::ByteSize;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A number of bytes: `512MiB`, `2GB`, `65536`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Size(ByteSize);

impl Size {
    /// A size of `n` mebibytes.
    pub const fn mib(n: u64) -> Self {
        Size(ByteSize::mib(n))
    }

    /// The number of bytes.
    pub fn bytes(self) -> u64 {
        self.0.as_u64()
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Size).map_err(|_| {
            format!(
                "`{text}` is not a size; write a number of bytes with a unit, like 512MiB or 2GB"
            )
        })
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.display().iec())
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes, with a unit if it is a string: 512MiB, 2GB.",
            "type": ["string", "integer"],
            "minimum": 0
        })
    }
}
