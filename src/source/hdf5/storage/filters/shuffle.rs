//! The shuffle filter: all first bytes of the values, then all second bytes, and so on.

use super::reserve;
use crate::error::Result;

/// Puts the bytes of each value of `width` bytes together again.
///
/// # Errors
/// When there is no memory for the result.
pub fn undo(bytes: &[u8], width: usize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    reserve(&mut out, bytes.len())?;
    let values = bytes.len() / width.max(1);
    let (planes, rest) = bytes.split_at(values * width);
    // With the width known at compile time the loops become vector shuffles.
    match width {
        2 => join::<2>(planes, values, &mut out),
        4 => join::<4>(planes, values, &mut out),
        8 => join::<8>(planes, values, &mut out),
        0 | 1 => out.extend_from_slice(planes),
        _ => {
            for value in 0..values {
                out.extend((0..width).map(|byte| planes[byte * values + value]));
            }
        }
    }
    // Bytes that make no whole value are stored behind the planes as they are.
    out.extend_from_slice(rest);
    Ok(out)
}

fn join<const N: usize>(planes: &[u8], values: usize, out: &mut Vec<u8>) {
    let planes: [&[u8]; N] = std::array::from_fn(|byte| &planes[byte * values..][..values]);
    out.extend((0..values).flat_map(|value| planes.map(|plane| plane[value])));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn apply(bytes: &[u8], width: usize) -> Vec<u8> {
        let whole = bytes.len() / width * width;
        let mut out: Vec<u8> = (0..width)
            .flat_map(|byte| bytes[..whole].iter().skip(byte).step_by(width).copied())
            .collect();
        out.extend_from_slice(&bytes[whole..]);
        out
    }

    proptest! {
        #[test]
        fn undoes_what_was_applied(bytes: Vec<u8>, width in 1usize..20) {
            prop_assert_eq!(undo(&apply(&bytes, width), width).unwrap(), bytes);
        }
    }
}
