//! Scalar quantizers: a small number for each dimension, which stands for the middle of a step
//! between the least and the largest value (`faiss/impl/ScalarQuantizer.cpp`).

use half::{bf16, f16};

use crate::source::faiss::format::ScalarKind;

/// Decodes the codes of a scalar quantizer.
#[derive(Debug)]
pub struct ScalarDecoder {
    kind: ScalarKind,
    dim: usize,
    /// Least value of each dimension, and the width of its range; empty for kinds without ranges.
    ranges: Vec<(f32, f32)>,
}

impl ScalarDecoder {
    /// `trained` is what the file says of the ranges.
    pub fn new(kind: ScalarKind, dim: usize, trained: Vec<f32>) -> ScalarDecoder {
        let ranges = match kind {
            ScalarKind::Bits8Uniform | ScalarKind::Bits4Uniform => match trained.as_slice() {
                [least, width, ..] => vec![(*least, *width); dim],
                _ => Vec::new(),
            },
            ScalarKind::Bits8 | ScalarKind::Bits4 | ScalarKind::Bits6
                if trained.len() >= 2 * dim =>
            {
                trained[..dim]
                    .iter()
                    .copied()
                    .zip(trained[dim..].iter().copied())
                    .take(dim)
                    .collect()
            }
            _ => Vec::new(),
        };
        ScalarDecoder { kind, dim, ranges }
    }

    /// Appends the vector of one code.
    pub fn decode(&self, code: &[u8], out: &mut Vec<f32>) {
        let ranges = self.ranges.iter();
        // The middle of the step: half a step is added.
        let in_range = |part: f32, &(least, width): &(f32, f32)| least + part * width;
        match self.kind {
            ScalarKind::Bits8 | ScalarKind::Bits8Uniform => out.extend(
                code.iter()
                    .zip(ranges)
                    .map(|(&n, range)| in_range((f32::from(n) + 0.5) / 255.0, range)),
            ),
            ScalarKind::Bits4 | ScalarKind::Bits4Uniform => {
                // The first dimension is in the lower half.
                let parts = code.iter().flat_map(|&byte| [byte & 15, byte >> 4]);
                out.extend(
                    parts
                        .zip(ranges)
                        .map(|(n, range)| in_range((f32::from(n) + 0.5) / 15.0, range)),
                );
            }
            ScalarKind::Bits6 => {
                // Four dimensions in three bytes, the first in the lowest bits.
                let parts = code.chunks(3).flat_map(|bytes| {
                    let bits =
                        bytes.iter().rev().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte));
                    [0, 6, 12, 18].map(|shift| (bits >> shift & 63) as u8)
                });
                out.extend(
                    parts
                        .zip(ranges)
                        .map(|(n, range)| in_range((f32::from(n) + 0.5) / 63.0, range)),
                );
            }
            ScalarKind::Fp16 => out
                .extend(code.as_chunks().0.iter().map(|&bytes| f16::from_le_bytes(bytes).to_f32())),
            ScalarKind::Bf16 => out.extend(
                code.as_chunks().0.iter().map(|&bytes| bf16::from_le_bytes(bytes).to_f32()),
            ),
            ScalarKind::Bits8Direct => {
                out.extend(code[..self.dim].iter().map(|&byte| f32::from(byte)));
            }
            ScalarKind::Bits8DirectSigned => {
                out.extend(code[..self.dim].iter().map(|&byte| f32::from(byte) - 128.0));
            }
        }
    }
}
