//! LibLZF's format, which h5py brought to HDF5 as filter 32000.
//!
//! A control byte below 32 announces that many literal bytes plus one. Otherwise its upper three
//! bits are a length (7: add the next byte) and its lower five, with one more byte, a distance
//! less one; length + 2 bytes are repeated from there.

use super::{damaged, reserve};
use crate::error::{Error, Result};

/// Decompresses to about `expected` bytes, and never to more than `limit`.
///
/// # Errors
/// When the bytes are no LZF stream, or a longer one.
pub fn decompress(bytes: &[u8], expected: usize, limit: usize) -> Result<Vec<u8>> {
    let mut out: Vec<u8> = Vec::new();
    reserve(&mut out, expected)?;
    let mut input = bytes;
    while let Some(control) = take(&mut input) {
        let length = usize::from(control >> 5);
        if length == 0 {
            let (literal, rest) =
                input.split_at_checked(usize::from(control) + 1).ok_or_else(broken)?;
            out.extend_from_slice(literal);
            input = rest;
        } else {
            let longer = if length == 7 { take(&mut input).ok_or_else(broken)? } else { 0 };
            let length = length + usize::from(longer) + 2;
            let low = take(&mut input).ok_or_else(broken)?;
            let distance = (usize::from(control & 31) << 8 | usize::from(low)) + 1;
            let from = out.len().checked_sub(distance).ok_or_else(broken)?;
            if distance >= length {
                out.extend_from_within(from..from + length);
            } else {
                // The repeated bytes overlap those they make.
                for at in from..from + length {
                    out.push(out[at]);
                }
            }
        }
        if out.len() > limit {
            return Err(damaged("An LZF chunk decodes to more than a chunk"));
        }
    }
    Ok(out)
}

fn take(input: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = input.split_first()?;
    *input = rest;
    Some(first)
}

fn broken() -> Error {
    damaged("An LZF chunk is broken")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn literals_and_repeats() {
        // "abc", then 6 bytes from 3 back; then 9 + 2 times the last byte.
        let stream = [2, b'a', b'b', b'c', 4 << 5, 2, 7 << 5, 2, 0];
        let out = decompress(&stream, 20, 100).unwrap();
        assert_eq!(out, b"abcabcabcccccccccccc");
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_result_within_the_limit(bytes: Vec<u8>) {
            if let Ok(out) = decompress(&bytes, 10, 1000) {
                prop_assert!(out.len() <= 1000);
            }
        }
    }
}
