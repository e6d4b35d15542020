//! Product quantizers: each part of a vector is the number of a centroid
//! (`faiss/impl/ProductQuantizer.cpp`). Numbers lie bit by bit, the lowest bits first.

use crate::source::faiss::format::Product;

/// Decodes the codes of a product quantizer.
#[derive(Debug)]
pub struct ProductDecoder {
    parts: usize,
    bits: usize,
    /// Dimensions of a part.
    part_dims: usize,
    centroids: Vec<f32>,
}

impl ProductDecoder {
    /// `centroids` are all centroids of the first part, then those of the next, and so on.
    pub fn new(product: &Product, dim: usize, centroids: Vec<f32>) -> ProductDecoder {
        let Product { parts, bits, .. } = *product;
        ProductDecoder { parts, bits, part_dims: dim / parts.max(1), centroids }
    }

    /// Appends the vector of one code.
    pub fn decode(&self, code: &[u8], out: &mut Vec<f32>) {
        for part in 0..self.parts {
            let number = self.number(code, part);
            let start = ((part << self.bits) + number) * self.part_dims;
            out.extend_from_slice(&self.centroids[start..start + self.part_dims]);
        }
    }

    fn number(&self, code: &[u8], part: usize) -> usize {
        let first = part * self.bits;
        // At most 24 bits, so they lie in four bytes.
        let bytes = code.iter().skip(first / 8).take(4);
        let bits = bytes.rev().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
        (bits >> (first % 8)) as usize & ((1 << self.bits) - 1)
    }
}
