//! Sizes in bytes, as people write them.

use std::borrow::Cow;
use std::str::FromStr;

use bytesize::ByteSize;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes: `512MiB`, `2GB`, `65536`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl serde::de::Visitor<'_> for Text {
            type Value = Size;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a size, like 512MiB or 2GB")
            }

            fn visit_u64<E: serde::de::Error>(self, bytes: u64) -> Result<Size, E> {
                Ok(Size(ByteSize(bytes)))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Size, E> {
                text.parse().map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// In the largest unit that says it exactly; reads back as the same size.
impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.bytes();
        let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        match units.into_iter().find(|(_, bits)| bytes > 0 && bytes.is_multiple_of(1 << bits)) {
            Some((unit, bits)) => write!(f, "{}{unit}", bytes >> bits),
            None => write!(f, "{bytes}B"),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_reads_back_as_it_was_written() {
        for (bytes, text) in [(0, "0B"), (1500, "1500B"), (512 << 20, "512MiB"), (3 << 30, "3GiB")]
        {
            let size = Size(ByteSize(bytes));
            assert_eq!(size.to_string(), text);
            assert_eq!(text.parse(), Ok(size));
        }
        assert_eq!("2GB".parse::<Size>().map(Size::bytes), Ok(2_000_000_000));
        assert_eq!("1.5 MiB".parse::<Size>().map(Size::bytes), Ok(3 << 19));
        for wrong in ["", "x", "-1", "5 apples", "MiB"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
