//! The four letters of indexes: those that are read, and those that are known but not read.

const ADDITIVE: &str = "an additive quantizer's codes are not decoded here";
const FAST_SCAN: &str = "fast-scan codes lie in blocks that are not decoded here";
const BITS: &str = "it keeps signatures of the vectors, not the vectors";
const RABITQ: &str = "RaBitQ codes are not decoded here";
const OLD: &str =
    "it was written by a Faiss older than 1.5; load it and write it again with a newer one";
const QUANTIZER: &str = "it is a coarse quantizer and holds no rows of its own";

/// Name and reason for a part that is not read; `None` for one that nobody knows.
pub fn refused(tag: [u8; 4]) -> Option<(&'static str, &'static str)> {
    Some(match &tag {
        b"null" => ("null", "the vectors were left out when the index was written"),
        b"IvFl" | b"IvFL" => ("IVFFlat", OLD),
        b"IvSQ" => ("IVFScalarQuantizer", OLD),
        b"IvPQ" => ("IVFPQ", OLD),
        b"IvQR" | b"IwQR" => ("IVFPQR", "its two layers of codes are not decoded here"),
        b"IxHE" | b"IxHe" => ("LSH", BITS),
        b"IwSh" => ("IVFSpectralHash", BITS),
        b"IBHh" => ("BinaryHash", "its hash table is not read here"),
        b"IBHm" => ("BinaryMultiHash", "its hash tables are not read here"),
        b"IBFf" => ("BinaryFromFloat", "its bits are kept as floats"),
        b"IxRQ" | b"IxRq" => ("ResidualQuantizer", ADDITIVE),
        b"IxLS" => ("LocalSearchQuantizer", ADDITIVE),
        b"IxPR" => ("ProductResidualQuantizer", ADDITIVE),
        b"IxPL" => ("ProductLocalSearchQuantizer", ADDITIVE),
        b"IwRQ" => ("IVFResidualQuantizer", ADDITIVE),
        b"IwLS" => ("IVFLocalSearchQuantizer", ADDITIVE),
        b"IwPR" => ("IVFProductResidualQuantizer", ADDITIVE),
        b"IwPL" => ("IVFProductLocalSearchQuantizer", ADDITIVE),
        b"ILfs" => ("LocalSearchQuantizerFastScan", FAST_SCAN),
        b"IRfs" => ("ResidualQuantizerFastScan", FAST_SCAN),
        b"IPRf" => ("ProductResidualQuantizerFastScan", FAST_SCAN),
        b"IPLf" => ("ProductLocalSearchQuantizerFastScan", FAST_SCAN),
        b"IVLf" => ("IVFLocalSearchQuantizerFastScan", FAST_SCAN),
        b"IVRf" => ("IVFResidualQuantizerFastScan", FAST_SCAN),
        b"NPLf" => ("IVFProductLocalSearchQuantizerFastScan", FAST_SCAN),
        b"NPRf" => ("IVFProductResidualQuantizerFastScan", FAST_SCAN),
        b"IPfs" => ("PQFastScan", FAST_SCAN),
        b"IwPf" => ("IVFPQFastScan", FAST_SCAN),
        b"Irfs" | b"Irfn" => ("RaBitQFastScan", RABITQ),
        b"Iwrf" | b"Iwrn" => ("IVFRaBitQFastScan", RABITQ),
        b"IHNr" => ("HNSWRaBitQ", RABITQ),
        b"IxEe" => ("EDEN", "EDEN codes are not decoded here"),
        b"IwEe" => ("IVFEDEN", "EDEN codes are not decoded here"),
        b"Ixrq" | b"Ixrr" => ("RaBitQ", RABITQ),
        b"Iwrq" | b"Iwrr" => ("IVFRaBitQ", RABITQ),
        b"ImRQ" => ("ResidualCoarseQuantizer", QUANTIZER),
        b"Imiq" => ("MultiIndexQuantizer", QUANTIZER),
        b"IxLa" => ("Lattice", "its codes are not decoded here"),
        b"Ix2L" => ("2Layer", "its codes are not decoded here"),
        b"IRMf" | b"IRMh" => ("RowwiseMinMax", "its codes are not decoded here"),
        b"IwIQ" => ("IVFIndependentQuantizer", "its two quantizers are not told apart here"),
        b"ILVQ" | b"ISVL" | b"ISVD" | b"ISVF" => ("SVS", "its contents are another library's"),
        _ => return None,
    })
}

/// Letters of indexes that are read, or at least passed over.
const READ: [[u8; 4]; 44] = [
    *b"IxFl", *b"IxFI", *b"IxF2", *b"IxFP", *b"IxFp", *b"IxSQ", *b"IxPQ", *b"IxPo", *b"IxPq",
    *b"IxMp", *b"IxM2", *b"IBMp", *b"IBM2", *b"IxPT", *b"IxRF", *b"IxRP", *b"IHNf", *b"IHNp",
    *b"IHNs", *b"IHN2", *b"IHNc", *b"IHc2", *b"IHfP", *b"INSf", *b"INSp", *b"INSs", *b"INNf",
    *b"IwFl", *b"IwFd", *b"IwPn", *b"IwSQ", *b"IwSq", *b"IwPQ", *b"IwPf", *b"IPfs", *b"Imiq",
    *b"ImRQ", *b"IwP2", *b"IxHE", *b"IxHe", *b"IBxF", *b"IBHf", *b"IBHc", *b"IBwF",
];

/// True for the letters that a Faiss index can begin with.
pub fn is_index(tag: [u8; 4]) -> bool {
    READ.contains(&tag) || (refused(tag).is_some() && tag != *b"null")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::faiss::format::Index;

    #[test]
    fn letters_of_the_list_are_read_and_others_are_not() {
        for tag in READ {
            let error = Index::read(&tag).unwrap_err().to_string();
            assert!(
                error.starts_with("The file ends at byte 4"),
                "{}: {error}",
                tag.escape_ascii()
            );
        }
        for tag in [*b"IxXX", *b"PAR1", [0x89, b'H', b'D', b'F']] {
            assert!(!is_index(tag));
            let error = Index::read(&tag).unwrap_err().to_string();
            assert!(error.contains("is no Faiss index that is known here"), "{error}");
            assert!(error.contains("where: byte 0"), "{error}");
        }
    }
}
