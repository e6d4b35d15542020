//! Checks of vector values that a target may fail to make.

use half::f16;

/// Index of the first NaN or infinity among `values`.
pub fn first_non_finite_f32(values: &[f32]) -> Option<usize> {
    const EXPONENT: u32 = 0x7f80_0000;
    // The inner fold has no early exit, so it compiles to vector instructions; only a block that
    // holds a bad value is looked at one by one.
    values.chunks(1024).enumerate().find_map(|(block, chunk)| {
        let bad = chunk.iter().fold(false, |bad, v| bad | (v.to_bits() & EXPONENT == EXPONENT));
        bad.then(|| chunk.iter().position(|v| !v.is_finite()).map(|i| block * 1024 + i)).flatten()
    })
}

/// Index of the first NaN or infinity among half floats.
pub fn first_non_finite_f16(values: &[f16]) -> Option<usize> {
    const EXPONENT: u16 = 0x7c00;
    values.iter().position(|v| v.to_bits() & EXPONENT == EXPONENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_bad_value_in_any_block() {
        let mut values = vec![1.0f32; 3000];
        assert_eq!(first_non_finite_f32(&values), None);
        values[2999] = f32::NEG_INFINITY;
        values[2050] = f32::NAN;
        assert_eq!(first_non_finite_f32(&values), Some(2050));
        assert_eq!(first_non_finite_f32(&[f32::MAX, f32::MIN_POSITIVE / 2.0]), None);
        assert_eq!(first_non_finite_f16(&[f16::ONE, f16::NAN]), Some(1));
    }
}
