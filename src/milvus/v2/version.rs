//! Which server it is, and what it can take.

use std::fmt;

use crate::milvus::v2::field::vector_type;
use crate::milvus::v2::proto::schema::DataType;

/// A server's version, as it says it, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerVersion {
    text: String,
    number: (u32, u32, u32),
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A Milvus, whatever it runs in.
    Milvus,
    /// Milvus Lite, since version 3.
    Lite,
    /// Milvus Lite 2.x: the core of a Milvus 2.4, without most of what is around it.
    EarlyLite,
}

impl ServerVersion {
    /// What a Milvus Lite 2.x is taken to say: it does not know the call.
    pub const EARLY_LITE: &str = "milvus_lite-2.4 or 2.5";

    /// Reads `v2.3.5-lite` (the standalone server from PyPI, a real Milvus), `2.4.1`,
    /// `milvus_lite-3.2.2` (Milvus Lite, with version numbers of its own), or any text with a
    /// version in it. A text without one counts as a current Milvus.
    pub fn parse(text: &str) -> Self {
        let lite = text.to_ascii_lowercase().contains("milvus_lite");
        let number = text
            .split(|c: char| !(c.is_ascii_digit() || c == '.'))
            .filter(|part| part.contains('.'))
            .find_map(three_numbers)
            .unwrap_or((u32::MAX, 0, 0));
        let kind = match (lite, number.0 < 3) {
            (false, _) => Kind::Milvus,
            (true, false) => Kind::Lite,
            (true, true) => Kind::EarlyLite,
        };
        ServerVersion { text: text.to_owned(), number, kind }
    }

    /// True for Milvus Lite since version 3, which keeps one row per id, knows no partitions in
    /// queries, and checks neither names nor limits. Earlier ones are more like a Milvus.
    pub fn is_lite(&self) -> bool {
        self.kind == Kind::Lite
    }

    /// True for Milvus Lite 2.x. It has the types and queries of a Milvus 2.4, but neither
    /// partitions, aliases, databases nor other names for collections, and forgets their settings
    /// (measured on 2.5.1).
    pub fn is_early_lite(&self) -> bool {
        self.kind == Kind::EarlyLite
    }

    /// True for a Milvus of at least this version; false for Milvus Lite.
    pub fn at_least(&self, major: u32, minor: u32, patch: u32) -> bool {
        !self.is_lite() && self.number >= (major, minor, patch)
    }

    /// True when fields of this type can be created, filled and read back.
    ///
    /// An older Milvus creates a collection with a type it does not know, takes the rows, and
    /// later crashes on them; so this must be asked before.
    pub fn takes(&self, data_type: DataType) -> bool {
        match data_type {
            DataType::Bool
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Float
            | DataType::Double
            | DataType::VarChar
            | DataType::Json
            | DataType::FloatVector => true,
            // Milvus 2.3.1 brought them.
            DataType::Array => self.is_lite() || self.at_least(2, 3, 1),
            DataType::SparseFloatVector => self.is_lite() || self.at_least(2, 4, 0),
            DataType::BinaryVector => !self.is_lite(),
            DataType::Float16Vector => self.at_least(2, 3, 5),
            DataType::BFloat16Vector => self.at_least(2, 4, 0),
            DataType::Int8Vector => self.at_least(2, 6, 0),
            _ => false,
        }
    }

    /// True when the server has the call Upsert.
    pub fn has_upsert(&self) -> bool {
        self.is_lite() || self.at_least(2, 3, 0)
    }

    /// True when a collection keeps properties, and they can be changed.
    pub fn keeps_properties(&self) -> bool {
        !self.is_early_lite()
    }

    /// True when the server can upsert rows whatever their text ids are. Milvus Lite 2.5.1 refuses an
    /// id that holds an apostrophe or a NUL ("internal error").
    pub fn upserts_any_text(&self) -> bool {
        self.has_upsert() && !self.is_early_lite()
    }

    /// True when a collection can be given another name.
    pub fn can_rename(&self) -> bool {
        self.is_lite() || self.at_least(2, 3, 0) && !self.is_early_lite()
    }

    /// True when vector fields can hold null, and show it. Milvus Lite takes nulls and gives back zeros
    /// (measured on 3.2.2). Which Milvus is the first is not certain.
    pub fn takes_null_vectors(&self) -> bool {
        self.at_least(3, 0, 0)
    }

    /// True when a field of this type can hold null.
    pub fn takes_nulls_of(&self, data_type: DataType) -> bool {
        match vector_type(data_type) {
            Some(_) => self.takes_null_vectors(),
            None => self.takes_nulls(),
        }
    }

    /// True when rows of a collection with a partition key can be asked for. Milvus Lite 2.5.1 calls
    /// every condition on such a collection invalid.
    pub fn reads_partition_keys(&self) -> bool {
        !self.is_early_lite()
    }

    /// True when scalar fields can hold null. Before 2.5 the flag is dropped without a word and
    /// nulls become values.
    pub fn takes_nulls(&self) -> bool {
        self.is_lite() || self.at_least(2, 5, 0)
    }
}

fn three_numbers(text: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = text.split('.').map(str::parse::<u32>);
    let major = numbers.next()?.ok()?;
    let minor = numbers.next()?.ok()?;
    let patch = numbers.next().and_then(Result::ok).unwrap_or(0);
    Some((major, minor, patch))
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Milvus => write!(f, "Milvus {}", self.text),
            _ => write!(f, "Milvus Lite {}", self.text.trim_start_matches("milvus_lite-")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_servers_say_them() {
        let milvus = ServerVersion::parse("v2.3.5-lite");
        assert!(!milvus.is_lite() && milvus.at_least(2, 3, 5) && !milvus.at_least(2, 3, 6));
        let lite = ServerVersion::parse("milvus_lite-3.2.2");
        assert!(lite.is_lite() && !lite.at_least(2, 0, 0));
        assert_eq!(lite.to_string(), "Milvus Lite 3.2.2");
        let early = ServerVersion::parse(ServerVersion::EARLY_LITE);
        assert!(early.is_early_lite() && !early.is_lite() && !early.can_rename());
        assert!(early.takes(DataType::BFloat16Vector) && !early.takes_nulls());
        assert_eq!(early.to_string(), "Milvus Lite 2.4 or 2.5");
        assert!(ServerVersion::parse("Cloud (Compatible with Milvus 2.4)").at_least(2, 4, 0));
        assert!(ServerVersion::parse("master-20260101").at_least(9, 0, 0));
    }

    #[test]
    fn types_that_a_server_would_crash_on_are_not_taken() {
        let old = ServerVersion::parse("v2.3.5-lite");
        assert!(old.takes(DataType::BinaryVector) && old.takes(DataType::Float16Vector));
        for data_type in
            [DataType::BFloat16Vector, DataType::Int8Vector, DataType::Timestamptz, DataType::Text]
        {
            assert!(!old.takes(data_type), "{data_type:?}");
        }
        assert!(!ServerVersion::parse("milvus_lite-3.2.2").takes(DataType::BinaryVector));
    }
}
