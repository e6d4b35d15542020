//! The Fletcher-32 checksum that stands behind a chunk's bytes.

use super::damaged;
use crate::error::Result;

/// Checks the checksum and takes it off.
///
/// # Errors
/// When it is missing or wrong.
pub fn check(mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    let Some((data, stored)) = bytes.split_last_chunk::<4>() else {
        return Err(damaged("A chunk is too short for its checksum"));
    };
    let sum = checksum(data);
    let &[a, b, c, d] = stored;
    // HDF5 up to 1.6.2 wrote the two halves with their bytes exchanged on little-endian machines.
    if sum != u32::from_le_bytes([a, b, c, d]) && sum != u32::from_le_bytes([b, a, d, c]) {
        return Err(damaged("A chunk's Fletcher-32 checksum does not fit its bytes"));
    }
    bytes.truncate(bytes.len() - 4);
    Ok(bytes)
}

/// Fletcher-32 over big-endian 16-bit words; an odd last byte is the high half of a word.
fn checksum(data: &[u8]) -> u32 {
    // 360 words are the most whose sums fit 32 bits.
    let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
    let (mut low, mut high) = (0u32, 0u32);
    let (words, rest) = data.as_chunks::<2>();
    for block in words.chunks(360) {
        for &word in block {
            low += u32::from(u16::from_be_bytes(word));
            high += low;
        }
        (low, high) = (fold(low), fold(high));
    }
    if let &[last] = rest {
        low += u32::from(last) << 8;
        high += low;
        (low, high) = (fold(low), fold(high));
    }
    (fold(high) << 16) | fold(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_is_found() {
        let data: Vec<u8> = (0..1999u32).map(|n| (n * 7 % 251) as u8).collect();
        let mut stored = data.clone();
        stored.extend(checksum(&data).to_le_bytes());
        assert_eq!(check(stored.clone()).unwrap(), data);
        for byte in [0, 1000, 1998, 2000] {
            let mut broken = stored.clone();
            broken[byte] ^= 4;
            assert!(check(broken).is_err(), "byte {byte}");
        }
        assert!(check(vec![1, 2, 3]).is_err());
    }

    #[test]
    fn the_old_byte_order_passes_too() {
        let data = [1, 2, 3, 4, 5, 6];
        let mut stored = data.to_vec();
        let [a, b, c, d] = checksum(&data).to_le_bytes();
        stored.extend([b, a, d, c]);
        assert_eq!(check(stored).unwrap(), data);
    }
}
