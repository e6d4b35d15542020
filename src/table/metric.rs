//! How the distance between two vectors is measured.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::table::VectorType;

/// A similarity metric, under the name that Milvus gives it; those that Milvus lacks, under the
/// name that Faiss gives them.
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
    /// Sum of absolute differences (Faiss).
    L1,
    /// Largest absolute difference (Faiss).
    Linf,
    /// Sum of absolute differences to a power that the index states (Faiss).
    Lp,
    /// Canberra distance (Faiss).
    Canberra,
    /// Bray-Curtis distance (Faiss).
    BrayCurtis,
    /// Jensen-Shannon divergence (Faiss).
    JensenShannon,
    /// Jaccard of real values: sum of minima over sum of maxima (Faiss).
    RealJaccard,
    /// Squared Euclidean distance that passes over NaN (Faiss).
    NanEuclidean,
    /// Gower distance (Faiss).
    Gower,
}

impl Metric {
    /// Every metric, in the order in which the docs name them.
    pub const ALL: [Metric; 17] = [
        Metric::L2,
        Metric::IP,
        Metric::Cosine,
        Metric::Hamming,
        Metric::Jaccard,
        Metric::Tanimoto,
        Metric::Substructure,
        Metric::Superstructure,
        Metric::L1,
        Metric::Linf,
        Metric::Lp,
        Metric::Canberra,
        Metric::BrayCurtis,
        Metric::JensenShannon,
        Metric::RealJaccard,
        Metric::NanEuclidean,
        Metric::Gower,
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
            Metric::L1 => "L1",
            Metric::Linf => "LINF",
            Metric::Lp => "LP",
            Metric::Canberra => "CANBERRA",
            Metric::BrayCurtis => "BRAYCURTIS",
            Metric::JensenShannon => "JENSENSHANNON",
            Metric::RealJaccard => "REALJACCARD",
            Metric::NanEuclidean => "NANEUCLIDEAN",
            Metric::Gower => "GOWER",
        }
    }

    /// The metrics of Milvus 0.10 and 1.x, in the order of the numbers that their metadata and
    /// their protocol have for them, which begin with 1.
    pub const OF_MILVUS1: [Metric; 7] = [
        Metric::L2,
        Metric::IP,
        Metric::Hamming,
        Metric::Jaccard,
        Metric::Tanimoto,
        Metric::Substructure,
        Metric::Superstructure,
    ];

    /// Its number in Milvus 0.10 and 1.x; `None` for a metric that they lack.
    pub fn milvus1_number(self) -> Option<i32> {
        (1..).zip(Metric::OF_MILVUS1).find(|(_, metric)| *metric == self).map(|(n, _)| n)
    }

    /// The metric that has this number in Milvus 0.10 and 1.x.
    pub fn of_milvus1(number: i64) -> Option<Metric> {
        (1..).zip(Metric::OF_MILVUS1).find(|(n, _)| *n == number).map(|(_, metric)| metric)
    }

    /// True for metrics of binary (packed bit) vectors.
    pub fn is_binary(self) -> bool {
        matches!(
            self,
            Metric::Hamming
                | Metric::Jaccard
                | Metric::Tanimoto
                | Metric::Substructure
                | Metric::Superstructure
        )
    }

    /// True for metrics that a Milvus 2.x can search by.
    pub fn is_of_milvus(self) -> bool {
        self.is_binary() && self != Metric::Tanimoto
            || matches!(self, Metric::L2 | Metric::IP | Metric::Cosine)
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
