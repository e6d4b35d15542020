//! The Panorama layout: vectors as they are, cut into levels. The levels of a batch of vectors lie
//! together: first level 0 of each vector of the batch, then level 1 of each, and so on.

/// Reads vectors out of that layout.
#[derive(Debug)]
pub struct Panorama {
    dim: usize,
    /// Dimensions of a level; the last one may have fewer.
    level_dims: usize,
    /// Vectors of a batch.
    batch: usize,
}

impl Panorama {
    pub fn new(dim: usize, levels: usize, batch: usize) -> Panorama {
        Panorama { dim, level_dims: dim.div_ceil(levels.max(1)).max(1), batch: batch.max(1) }
    }

    /// Rows as they are stored: whole batches.
    pub fn padded(&self, rows: usize) -> usize {
        rows.div_ceil(self.batch).saturating_mul(self.batch)
    }

    /// Appends vector `row` of `run`.
    pub fn decode(&self, run: &[u8], row: usize, out: &mut Vec<f32>) {
        let (batch, place) = (row / self.batch, row % self.batch);
        let base = batch * self.batch * self.dim;
        for first in (0..self.dim).step_by(self.level_dims) {
            let width = self.level_dims.min(self.dim - first);
            let start = base + first * self.batch + place * width;
            let values = &run[start * 4..(start + width) * 4];
            out.extend(values.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)));
        }
    }
}
