//! From codes to float32 vectors.

mod panorama;
mod product;
mod scalar;

use std::ops::Range;

use self::panorama::Panorama;
pub use self::product::ProductDecoder;
use self::scalar::ScalarDecoder;
use crate::source::faiss::format::{Codec, Extent};

/// Decodes codes of one kind.
#[derive(Debug)]
pub enum Decoder {
    /// The codes are the vectors.
    Plain,
    /// Levels of several vectors lie together.
    Panorama(Panorama),
    /// Scalar-quantised.
    Scalar(ScalarDecoder),
    /// Product-quantised.
    Product(ProductDecoder),
}

impl Decoder {
    /// The decoder for vectors of `dim` dimensions, with its tables from `file`.
    pub fn new(codec: &Codec, dim: usize, file: &[u8]) -> Decoder {
        match codec {
            Codec::Float | Codec::Bits => Decoder::Plain,
            Codec::Panorama { levels, rows } => {
                Decoder::Panorama(Panorama::new(dim, *levels, *rows))
            }
            Codec::Scalar(scalar) => {
                let trained = floats(file, scalar.trained);
                Decoder::Scalar(ScalarDecoder::new(scalar.kind, dim, trained))
            }
            Codec::Product(product) => {
                let centroids = floats(file, product.centroids);
                Decoder::Product(ProductDecoder::new(product, dim, centroids))
            }
        }
    }

    /// Bytes of a run of `rows` rows, with what pads it, for codes of `code_size` bytes.
    pub fn run_bytes(&self, rows: usize, code_size: usize) -> usize {
        let rows = match self {
            Decoder::Panorama(panorama) => panorama.padded(rows),
            _ => rows,
        };
        rows.saturating_mul(code_size)
    }

    /// Appends the vectors of `rows` of the run that lies in `run`.
    pub fn decode(&self, run: &[u8], rows: Range<usize>, code_size: usize, out: &mut Vec<f32>) {
        let codes =
            || run[rows.start * code_size..rows.end * code_size].chunks_exact(code_size.max(1));
        match self {
            Decoder::Plain => out.extend(
                run[rows.start * code_size..rows.end * code_size]
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&b| f32::from_le_bytes(b)),
            ),
            Decoder::Panorama(panorama) => rows.for_each(|row| panorama.decode(run, row, out)),
            Decoder::Scalar(scalar) => codes().for_each(|code| scalar.decode(code, out)),
            Decoder::Product(product) => codes().for_each(|code| product.decode(code, out)),
        }
    }
}

/// The floats of a list.
pub fn floats(file: &[u8], list: Extent) -> Vec<f32> {
    file[list.range()].as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}
