//! What is done to vectors before an index takes them (`VectorTransform`).

use super::cursor::{Cursor, Extent, wrong};
use super::{MAX_DEPTH, read_dim};
use crate::error::{Error, Result};

/// One step of a chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Transform {
    /// Its name, as Faiss users know it.
    pub name: &'static str,
    /// Dimensions before it.
    pub dim_in: usize,
    /// Dimensions after it.
    pub dim_out: usize,
    /// What it does.
    pub step: Step,
}

/// What a transform does.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// `y = A x + b`.
    Linear {
        /// `A`, row by row.
        matrix: Extent,
        /// `b`, where there is one.
        bias: Option<Extent>,
    },
    /// `y[i] = x[map[i]]`, or 0 where the entry is negative.
    Remap {
        /// An entry for each dimension after it.
        map: Extent,
    },
    /// Divides by the vector's norm.
    Normalize,
    /// `y = x - mean`.
    Center {
        /// The mean.
        mean: Extent,
    },
    /// Known, but has no inverse.
    NoInverse,
}

impl Transform {
    /// Reads one.
    pub fn read(cursor: &mut Cursor<'_>, depth: usize) -> Result<Transform> {
        let at = cursor.position();
        if depth >= MAX_DEPTH {
            return Err(wrong("The nesting", format!("deeper than {MAX_DEPTH}"), at));
        }
        let tag = cursor.fourcc()?;
        let (name, step) = match &tag.0 {
            b"rrot" => ("RandomRotation", linear(cursor)?),
            b"LTra" => ("LinearTransform", linear(cursor)?),
            b"PCAm" | b"PcAm" | b"Pcam" => {
                cursor.f32("the PCA matrix")?;
                if tag.0 == *b"Pcam" {
                    cursor.f32("the PCA matrix")?;
                }
                cursor.u8("the PCA matrix")?;
                if tag.0 != *b"PCAm" {
                    cursor.i32("the PCA matrix")?;
                }
                for what in ["the PCA's mean", "the PCA's eigenvalues", "the PCA's matrix"] {
                    cursor.list(4, what)?;
                }
                ("PCA", linear(cursor)?)
            }
            b"Viqm" => {
                cursor.i32("the ITQ matrix")?;
                cursor.i32("the ITQ matrix")?;
                ("ITQMatrix", linear(cursor)?)
            }
            b"RmDT" => ("RemapDimensions", Step::Remap { map: cursor.list(4, "the map")? }),
            b"VNrm" => {
                cursor.f32("the norm")?;
                ("Normalization", Step::Normalize)
            }
            b"VCnt" => ("Centering", Step::Center { mean: cursor.list(4, "the mean")? }),
            b"HRot" => {
                cursor.i32("the seed")?;
                ("HadamardRotation", Step::NoInverse)
            }
            b"Viqt" => {
                cursor.list(4, "the ITQ's mean")?;
                cursor.u8("the ITQ transform")?;
                Transform::read(cursor, depth + 1)?;
                Transform::read(cursor, depth + 1)?;
                ("ITQ", Step::NoInverse)
            }
            _ => {
                return Err(Error::source(format!("`{tag}` is no vector transform known here"))
                    .at(format!("byte {at}"))
                    .help("the file is damaged, or of a Faiss newer than 1.15"));
            }
        };
        let sizes_at = cursor.position();
        let dim_in = read_dim(cursor)?;
        let dim_out = read_dim(cursor)?;
        cursor.u8("the transform")?;
        let transform = Transform { name, dim_in, dim_out, step };
        match transform.fits() {
            true => Ok(transform),
            false => Err(wrong(
                &format!("The size of the {name} transform"),
                format!("{dim_in} to {dim_out} dimensions, which its values don't fit"),
                sizes_at,
            )),
        }
    }

    fn fits(&self) -> bool {
        match &self.step {
            Step::Linear { matrix, bias } => {
                matrix.count == self.dim_in * self.dim_out
                    && bias.is_none_or(|bias| bias.count == self.dim_out)
            }
            Step::Remap { map } => map.count == self.dim_out,
            Step::Center { mean } => mean.count == self.dim_in && self.dim_in == self.dim_out,
            Step::Normalize => self.dim_in == self.dim_out,
            Step::NoInverse => true,
        }
    }
}

fn linear(cursor: &mut Cursor<'_>) -> Result<Step> {
    let has_bias = cursor.u8("the linear transform")? != 0;
    let matrix = cursor.list(4, "the transform's matrix")?;
    let bias = cursor.list(4, "the transform's bias")?;
    Ok(Step::Linear { matrix, bias: has_bias.then_some(bias) })
}
