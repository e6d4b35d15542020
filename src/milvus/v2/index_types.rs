//! Which indexes a server can make.

use crate::milvus::v2::ServerVersion;
use crate::milvus::v2::field::is_vector;
use crate::milvus::v2::proto::schema::DataType;

/// The first Milvus that has an index type, by the release notes; those of 2.3 were measured on 2.3.5.
/// Types that are not here are as old as any server that vecpipe writes to, or newer than vecpipe.
const SINCE: &[(&str, (u32, u32))] = &[
    ("INVERTED", (2, 4)),
    ("BITMAP", (2, 4)),
    ("GPU_CAGRA", (2, 4)),
    ("GPU_BRUTE_FORCE", (2, 4)),
    ("SPARSE_INVERTED_INDEX", (2, 4)),
    ("SPARSE_WAND", (2, 4)),
    ("HNSW_SQ", (2, 5)),
    ("HNSW_PQ", (2, 5)),
    ("HNSW_PRQ", (2, 5)),
    ("IVF_RABITQ", (2, 6)),
    ("MINHASH_LSH", (2, 6)),
    ("NGRAM", (2, 6)),
    ("RTREE", (2, 6)),
];

impl ServerVersion {
    /// True when the server can make an index of this type on a field of that type; also where nobody
    /// knows. Without a type, the server picks one.
    pub fn takes_index(&self, index_type: &str, of: DataType) -> bool {
        let index_type = index_type.to_ascii_uppercase();
        let one_of = |known: &[&str]| known.contains(&index_type.as_str());
        let sparse = of == DataType::SparseFloatVector;
        if index_type.is_empty() {
            return true;
        }
        // Measured on 3.2.2, which takes any word for an index of other vectors.
        if self.is_lite() {
            return match of {
                _ if sparse => one_of(&["SPARSE_INVERTED_INDEX"]),
                DataType::Json | DataType::Array => false,
                of => is_vector(of) || one_of(&["INVERTED"]),
            };
        }
        // Measured on 2.5.1.
        if self.is_early_lite() {
            return match of {
                _ if sparse => one_of(&["SPARSE_INVERTED_INDEX", "SPARSE_WAND"]),
                DataType::BinaryVector => one_of(&["BIN_FLAT"]),
                DataType::Json => false,
                DataType::VarChar => one_of(&["INVERTED", "TRIE"]),
                of if is_vector(of) => one_of(&["FLAT", "IVF_FLAT", "AUTOINDEX"]),
                _ => one_of(&["INVERTED"]),
            };
        }
        let since = SINCE.iter().find(|(name, _)| *name == index_type);
        since.is_none_or(|(_, (major, minor))| self.at_least(*major, *minor, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_the_indexes_that_they_were_seen_to_make() {
        let takes =
            |version: &str, index: &str, of| ServerVersion::parse(version).takes_index(index, of);
        let (milvus, lite, early) = ("v2.3.5-lite", "milvus_lite-3.2.2", ServerVersion::EARLY_LITE);
        assert!(
            takes(milvus, "STL_SORT", DataType::Int64) && takes(milvus, "Trie", DataType::VarChar)
        );
        assert!(
            !takes(milvus, "INVERTED", DataType::Int64)
                && !takes(milvus, "hnsw_sq", DataType::FloatVector)
        );
        assert!(
            takes("v2.6.0", "HNSW_SQ", DataType::FloatVector) && takes("", "NEWER", DataType::Json)
        );
        assert!(
            takes(lite, "HNSW", DataType::FloatVector) && takes(lite, "INVERTED", DataType::Int64)
        );
        assert!(
            !takes(lite, "STL_SORT", DataType::Int64) && !takes(lite, "INVERTED", DataType::Json)
        );
        assert!(
            takes(early, "IVF_FLAT", DataType::FloatVector) && takes(early, "", DataType::Int64)
        );
        assert!(!takes(early, "HNSW", DataType::FloatVector));
    }
}
