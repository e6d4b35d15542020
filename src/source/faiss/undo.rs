//! Undoing the transforms that vectors went through before an index took them.

use crate::error::Result;
use crate::source::faiss::decode::floats;
use crate::source::faiss::format::{Step, Transform};
use crate::source::faiss::layout::no_inverse;

/// The inverse of one transform.
#[derive(Debug)]
pub enum Undo {
    /// `x = Aᵀ (y - b)`: the inverse of a transform that keeps lengths, and the best there is for
    /// one that leaves out directions.
    Linear {
        /// `A`, row by row: for each dimension of `y` as many values as `x` has.
        matrix: Vec<f32>,
        /// `b`; empty where there is none.
        bias: Vec<f32>,
        /// Dimensions of `x`.
        dim: usize,
    },
    /// `x[map[i]] = y[i]`, 0 elsewhere.
    Remap {
        /// For each dimension of `y` that of `x`, or none.
        map: Vec<Option<usize>>,
        /// Dimensions of `x`.
        dim: usize,
    },
    /// `x = y + mean`.
    Center(Vec<f32>),
    /// The lengths are lost: `x = y`.
    Nothing,
}

impl Undo {
    /// The inverse of `step`, with its values from `file`.
    ///
    /// # Errors
    /// When there is none: a matrix that stretches some directions more than others.
    pub fn new(step: &Transform, file: &[u8]) -> Result<Undo> {
        let dim = step.dim_in;
        Ok(match &step.step {
            Step::Linear { matrix, bias } => {
                let matrix = floats(file, *matrix);
                if !keeps_lengths(&matrix, dim, step.dim_out) {
                    return Err(no_inverse(step));
                }
                Undo::Linear { matrix, bias: bias.map_or(Vec::new(), |b| floats(file, b)), dim }
            }
            Step::Remap { map } => {
                let entries = file[map.range()].as_chunks().0.iter();
                let entry = |&bytes| usize::try_from(i32::from_le_bytes(bytes)).ok();
                Undo::Remap { map: entries.map(entry).collect(), dim }
            }
            Step::Normalize => Undo::Nothing,
            Step::Center { mean } => Undo::Center(floats(file, *mean)),
            Step::NoInverse => return Err(no_inverse(step)),
        })
    }

    /// Appends `x` for `y`.
    pub fn apply(&self, y: &[f32], out: &mut Vec<f32>) {
        let start = out.len();
        match self {
            Undo::Nothing => out.extend_from_slice(y),
            Undo::Center(mean) => out.extend(y.iter().zip(mean).map(|(y, mean)| y + mean)),
            Undo::Remap { map, dim } => {
                out.resize(start + dim, 0.0);
                let x = &mut out[start..];
                for (&y, target) in y.iter().zip(map) {
                    if let Some(x) = target.and_then(|target| x.get_mut(target)) {
                        *x = y;
                    }
                }
            }
            Undo::Linear { matrix, bias, dim } => {
                out.resize(start + dim, 0.0);
                let x = &mut out[start..];
                let bias = bias.iter().copied().chain(std::iter::repeat(0.0));
                for ((&y, bias), row) in y.iter().zip(bias).zip(matrix.chunks_exact((*dim).max(1)))
                {
                    add_scaled(x, y - bias, row);
                }
            }
        }
    }
}

fn add_scaled(x: &mut [f32], factor: f32, row: &[f32]) {
    x.iter_mut().zip(row).for_each(|(x, value)| *x += factor * value);
}

/// True when the rows of the matrix are of length 1 and at right angles, or its columns are: then
/// its transpose undoes it. Faiss allows each product of two rows an error of 4e-5.
///
/// Asked by a few vectors rather than by all products of rows, which for 4096 dimensions would
/// take a minute: `M Mᵀ v` must be `v`.
fn keeps_lengths(matrix: &[f32], dim_in: usize, dim_out: usize) -> bool {
    const TRIES: u64 = 16;
    let (inner, outer) = (dim_in.min(dim_out), dim_in.max(dim_out));
    let allowed = 4e-5 * (inner as f32).sqrt() * 6.0;
    (0..TRIES).all(|seed| {
        let v: Vec<f32> = (0..inner as u64).map(|n| sign(seed, n)).collect();
        // Down to the smaller side and up again, whichever side it is.
        let (mut long, mut back) = (vec![0.0; outer], vec![0.0; inner]);
        for (row, values) in matrix.chunks_exact(dim_in.max(1)).enumerate() {
            if inner == dim_out {
                add_scaled(&mut long, v[row], values);
            } else {
                long[row] = dot(values, &v);
            }
        }
        for (row, values) in matrix.chunks_exact(dim_in.max(1)).enumerate() {
            if inner == dim_out {
                back[row] = dot(values, &long);
            } else {
                add_scaled(&mut back, long[row], values);
            }
        }
        back.iter().zip(&v).all(|(back, v)| (back - v).abs() <= allowed)
    })
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32
}

/// 1 or -1, without a pattern (the mixer of splitmix64).
fn sign(seed: u64, n: u64) -> f32 {
    let mut bits = (seed << 32 | n).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    if (bits ^ bits >> 31) & 1 == 0 { 1.0 } else { -1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_that_stretches_is_told_from_one_that_turns() {
        let turn = [0.6, 0.8, -0.8, 0.6];
        assert!(keeps_lengths(&turn, 2, 2));
        assert!(keeps_lengths(&turn[..2], 2, 1));
        assert!(keeps_lengths(&turn[..2], 1, 2));
        assert!(!keeps_lengths(&[0.6, 0.9, -0.8, 0.6], 2, 2));
        assert!(!keeps_lengths(&[2.0, 0.0, 0.0, 2.0], 2, 2));
        assert!(!keeps_lengths(&[1.0, 0.0, 1.0, 0.0], 2, 2));
    }

    #[test]
    fn remapped_dimensions_go_back_and_others_are_zero() {
        let undo = Undo::Remap { map: vec![Some(2), None, Some(0), Some(9)], dim: 3 };
        let mut out = vec![7.0];
        undo.apply(&[1.0, 2.0, 3.0, 4.0], &mut out);
        assert_eq!(out, [7.0, 3.0, 0.0, 1.0]);
    }
}
