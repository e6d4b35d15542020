//! How the distance between two vectors is measured.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::table::VectorType;

/// A similarity metric, under the name that Milvus gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Metric {
    /// Squared Euclidean distance.
    L2,
    /// Inner product.
    IP,
    /// Cosine similarity (Milvus 2.3 and later).
    Cosine,
    /// Number of differing bits.
    Hamming,
    /// Jaccard distance of bit sets.
    Jaccard,
    /// Tanimoto distance of bit sets (Milvus 1.x; equal to a function of Jaccard).
    Tanimoto,
    /// A's bits are a subset of B's (binary vectors).
    Substructure,
    /// A's bits are a superset of B's (binary vectors).
    Superstructure,
}

impl Metric {
    /// Every metric, in the order in which the docs name them.
    pub const ALL: [Metric; 8] = [
        Metric::L2,
        Metric::IP,
        Metric::Cosine,
        Metric::Hamming,
        Metric::Jaccard,
        Metric::Tanimoto,
        Metric::Substructure,
        Metric::Superstructure,
    ];

    /// The name as Milvus writes it, in upper case.
    pub fn name(self) -> &'static str {
        match self {
            Metric::L2 => "L2",
            Metric::IP => "IP",
            Metric::Cosine => "COSINE",
            Metric::Hamming => "HAMMING",
            Metric::Jaccard => "JACCARD",
            Metric::Tanimoto => "TANIMOTO",
            Metric::Substructure => "SUBSTRUCTURE",
            Metric::Superstructure => "SUPERSTRUCTURE",
        }
    }

    /// True for metrics of binary (packed bit) vectors.
    pub fn is_binary(self) -> bool {
        !matches!(self, Metric::L2 | Metric::IP | Metric::Cosine)
    }

    /// True when vectors of `vector` can be compared by this metric.
    pub fn fits(self, vector: VectorType) -> bool {
        self.is_binary() == (vector == VectorType::Binary)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Metric::ALL.into_iter().find(|m| m.name().eq_ignore_ascii_case(text)).ok_or_else(|| {
            let names: Vec<_> = Metric::ALL.iter().map(|m| m.name()).collect();
            format!("unknown metric `{text}`, expected one of {}", names.join(", "))
        })
    }
}
