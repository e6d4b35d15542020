//! A set of keys that may say yes once too often, in memory of a fixed size.

/// Bits that a key sets in its word.
const BITS: u32 = 4;

/// A Bloom filter of one word per key: what was added is always found; of the rest, the fewer the
/// fuller it is not (with 12 keys a word, nine of ten are told apart).
#[derive(Debug)]
pub struct Filter {
    words: Vec<u64>,
}

impl Filter {
    /// An empty filter of about `bytes`.
    pub fn new(bytes: u64) -> Self {
        let words = usize::try_from(bytes / 8).unwrap_or(usize::MAX).max(1);
        Filter { words: vec![0; words] }
    }

    /// Adds a key.
    pub fn add(&mut self, key: u128) {
        let (word, bits) = self.place(key);
        self.words[word] |= bits;
    }

    /// False when `key` was certainly not added.
    pub fn may_hold(&self, key: u128) -> bool {
        let (word, bits) = self.place(key);
        self.words[word] & bits == bits
    }

    fn place(&self, key: u128) -> (usize, u64) {
        let mixed = mix(key as u64 ^ mix((key >> 64) as u64));
        let word = (u128::from(mixed) * self.words.len() as u128) >> 64;
        let which = mix(mixed);
        let bits = (0..BITS).fold(0, |bits, n| bits | 1 << (which >> (6 * n) & 63));
        (word as usize, bits)
    }
}

/// SplitMix64: every bit of the result depends on every bit of the number.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_found_and_little_else() {
        let mut filter = Filter::new(8 * 1000);
        (0..12_000).for_each(|key| filter.add(key));
        assert!((0..12_000).all(|key| filter.may_hold(key)));
        let wrong = (12_000..112_000).filter(|key| filter.may_hold(*key)).count();
        assert!(wrong < 15_000, "{wrong} of 100,000");
        assert!(!Filter::new(0).may_hold(5));
    }
}
