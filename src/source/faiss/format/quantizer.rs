//! What turns vectors into codes: product and scalar quantizers.

use super::cursor::{Cursor, Extent, wrong};
use crate::error::{Error, Result};

/// How a vector is stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Codec {
    /// As it is: float32.
    Float,
    /// As it is: packed bits.
    Bits,
    /// As it is, but level by level: the first dimensions of `rows` vectors, then their next ones.
    Panorama {
        /// Levels that a vector is cut into.
        levels: usize,
        /// Vectors whose levels lie together.
        rows: usize,
    },
    /// Each dimension as a small number.
    Scalar(Scalar),
    /// Each part of a vector as the number of a centroid.
    Product(Product),
}

impl Codec {
    /// Checks that its tables are there, as they are once it was trained for vectors of `dim`
    /// dimensions.
    pub fn check_tables(&self, dim: usize) -> Result<()> {
        let (table, wanted) = match self {
            Codec::Float | Codec::Bits | Codec::Panorama { .. } => return Ok(()),
            Codec::Scalar(scalar) => (scalar.trained, Some(scalar.kind.ranges(dim))),
            Codec::Product(product) => {
                (product.centroids, (1usize << product.bits).checked_mul(dim))
            }
        };
        if wanted.is_some_and(|wanted| table.count >= wanted) {
            return Ok(());
        }
        Err(Error::source(format!(
            "The quantizer has {} values, its codes need {}",
            table.count,
            wanted.unwrap_or(usize::MAX)
        ))
        .at(format!("byte {}", table.start))
        .help("the file is damaged, or the index was never trained"))
    }
}

/// A scalar quantizer.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// How a dimension is stored.
    pub kind: ScalarKind,
    /// Ranges of the dimensions: least values, then widths. Empty where the kind has none.
    pub trained: Extent,
    /// Bytes of a vector.
    pub code_size: usize,
}

/// How a scalar quantizer stores a dimension; by Faiss's numbers, `ScalarQuantizer::QuantizerType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarKind {
    /// A byte, each dimension in a range of its own.
    Bits8,
    /// Half a byte.
    Bits4,
    /// A byte, all dimensions in one range.
    Bits8Uniform,
    /// Half a byte, all dimensions in one range.
    Bits4Uniform,
    /// A half float.
    Fp16,
    /// A byte that is the value.
    Bits8Direct,
    /// Six bits.
    Bits6,
    /// The upper half of a float.
    Bf16,
    /// A byte that is the value plus 128.
    Bits8DirectSigned,
}

impl ScalarKind {
    fn of(number: i32) -> Option<ScalarKind> {
        Some(match number {
            0 => ScalarKind::Bits8,
            1 => ScalarKind::Bits4,
            2 => ScalarKind::Bits8Uniform,
            3 => ScalarKind::Bits4Uniform,
            4 => ScalarKind::Fp16,
            5 => ScalarKind::Bits8Direct,
            6 => ScalarKind::Bits6,
            7 => ScalarKind::Bf16,
            8 => ScalarKind::Bits8DirectSigned,
            _ => return None,
        })
    }

    /// The name that Faiss users know.
    pub fn name(self) -> &'static str {
        match self {
            ScalarKind::Bits8 => "8bit",
            ScalarKind::Bits4 => "4bit",
            ScalarKind::Bits8Uniform => "8bit uniform",
            ScalarKind::Bits4Uniform => "4bit uniform",
            ScalarKind::Fp16 => "fp16",
            ScalarKind::Bits8Direct => "8bit direct",
            ScalarKind::Bits6 => "6bit",
            ScalarKind::Bf16 => "bf16",
            ScalarKind::Bits8DirectSigned => "8bit direct signed",
        }
    }

    /// Values of ranges for vectors of `dim` dimensions.
    fn ranges(self, dim: usize) -> usize {
        match self {
            ScalarKind::Bits8 | ScalarKind::Bits4 | ScalarKind::Bits6 => 2 * dim,
            ScalarKind::Bits8Uniform | ScalarKind::Bits4Uniform => 2,
            _ => 0,
        }
    }

    /// Bytes of a vector of `dim` dimensions.
    pub fn code_size(self, dim: usize) -> usize {
        match self {
            ScalarKind::Bits4 | ScalarKind::Bits4Uniform => dim.div_ceil(2),
            ScalarKind::Fp16 | ScalarKind::Bf16 => dim * 2,
            ScalarKind::Bits6 => (dim * 6).div_ceil(8),
            _ => dim,
        }
    }
}

impl Scalar {
    /// Reads one for vectors of `dim` dimensions; `Err` in the result names a kind that is not
    /// known here.
    pub fn read(cursor: &mut Cursor<'_>, dim: usize) -> Result<Result<Scalar, i32>> {
        let number = cursor.i32("the scalar quantizer")?;
        cursor.i32("the scalar quantizer")?;
        cursor.f32("the scalar quantizer")?;
        let at = cursor.position();
        let stated_dim = cursor.size("The scalar quantizer's dimension")?;
        let stated_size = cursor.size("The scalar quantizer's code size")?;
        let trained = cursor.list(4, "the scalar quantizer's ranges")?;
        let Some(kind) = ScalarKind::of(number) else { return Ok(Err(number)) };
        if stated_dim != dim {
            return Err(wrong("The scalar quantizer's dimension", stated_dim, at));
        }
        let code_size = kind.code_size(dim);
        if stated_size != code_size {
            return Err(wrong("The scalar quantizer's code size", stated_size, at + 8));
        }
        Ok(Ok(Scalar { kind, trained, code_size }))
    }
}

/// A product quantizer: a vector is cut into parts, each of which is the number of a centroid.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Parts.
    pub parts: usize,
    /// Bits of a centroid's number.
    pub bits: usize,
    /// For each part its centroids, `2^bits` of them, each of `dim / parts` floats.
    pub centroids: Extent,
    /// Bytes of a vector.
    pub code_size: usize,
}

impl Product {
    /// Reads one for vectors of `dim` dimensions.
    pub fn read(cursor: &mut Cursor<'_>, dim: usize) -> Result<Product> {
        let at = cursor.position();
        let stated_dim = cursor.size("The product quantizer's dimension")?;
        let parts = cursor.size("The product quantizer's number of parts")?;
        let bits = cursor.size("The product quantizer's number of bits")?;
        let centroids = cursor.list(4, "the product quantizer's centroids")?;
        if stated_dim != dim {
            return Err(wrong("The product quantizer's dimension", stated_dim, at));
        }
        if parts == 0 || !dim.is_multiple_of(parts) {
            return Err(wrong("The product quantizer's number of parts", parts, at + 8));
        }
        if !(1..=24).contains(&bits) {
            return Err(wrong("The product quantizer's number of bits", bits, at + 16));
        }
        let code_size = bits.saturating_mul(parts).div_ceil(8);
        Ok(Product { parts, bits, centroids, code_size })
    }
}
