//! How large requests to a server are.
//!
//! A request that is refused as too large makes all later ones at most half as large. Then they grow
//! again, slowly: not to where a request is known to be refused, so that a server's fixed limit is run
//! into a few times and not for ever.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Largest request that is tried, in bytes: a server takes well from 5 to 15 MB at once (measured
/// on 2.3.5), and 64 MiB at most.
const MOST: usize = 12 << 20;
/// Requests are not made smaller than this because a server is short of memory.
const SMALL: usize = 256 << 10;
/// Requests of about the largest size that are taken before the next may be larger, by an eighth.
const GROW_AFTER: u32 = 16;

/// The size that all writers of one server share.
#[derive(Debug)]
pub(crate) struct RequestSize(Mutex<Size>);

#[derive(Debug)]
struct Size {
    /// Largest request that is sent.
    bytes: usize,
    /// Smallest request that was refused as too large.
    refused: usize,
    /// Requests taken since the size last changed.
    taken: u32,
}

impl Default for RequestSize {
    fn default() -> Self {
        RequestSize(Mutex::new(Size { bytes: MOST, refused: usize::MAX, taken: 0 }))
    }
}

impl RequestSize {
    /// Bytes of the largest request that may be sent now; a single row may be larger.
    pub(crate) fn now(&self) -> usize {
        self.size().bytes
    }

    /// The server took a request of `bytes`.
    pub(crate) fn taken(&self, bytes: usize) {
        let mut size = self.size();
        // A small one says nothing about larger ones.
        if size.bytes == MOST || bytes < size.bytes / 2 {
            return;
        }
        size.taken += 1;
        if size.taken >= GROW_AFTER {
            size.taken = 0;
            let larger = (size.bytes + size.bytes / 8 + 1).min(MOST);
            if larger < size.refused {
                size.bytes = larger;
                tracing::debug!(bytes = larger, "Requests are made larger");
            }
        }
    }

    /// The server refused a request of `bytes` for its size alone.
    pub(crate) fn too_large(&self, bytes: usize) {
        let mut size = self.size();
        size.refused = size.refused.min(bytes);
        size.bytes = size.bytes.min(bytes / 2).max(1);
        size.taken = 0;
    }

    /// The server is short of memory. Gives the new size, where that is another one.
    pub(crate) fn short_of_memory(&self) -> Option<usize> {
        let mut size = self.size();
        if size.bytes <= SMALL {
            return None;
        }
        size.bytes = (size.bytes / 2).max(SMALL);
        size.taken = 0;
        Some(size.bytes)
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `requests` of the largest size to a server that takes up to `limit`; how many it refused.
    fn send(size: &RequestSize, limit: usize, requests: usize) -> usize {
        let refused = (0..requests).filter(|_| {
            let bytes = size.now();
            match bytes > limit {
                true => size.too_large(bytes),
                false => size.taken(bytes),
            }
            bytes > limit
        });
        refused.count()
    }

    #[test]
    fn a_fixed_limit_is_approached_and_run_into_a_few_times() {
        for limit in [10_000, 1 << 20, 4_000_000, MOST - 1] {
            let size = RequestSize::default();
            let refused = send(&size, limit, 20_000);
            assert!(refused <= 20, "{limit}: {refused}");
            assert!((limit / 2..=limit).contains(&size.now()), "{limit}: {}", size.now());
            assert_eq!(send(&size, limit, 20_000), 0);
        }
        assert_eq!(send(&RequestSize::default(), MOST, 1_000), 0);
    }

    #[test]
    fn memory_makes_requests_smaller_for_a_while() {
        let size = RequestSize::default();
        assert_eq!(size.short_of_memory(), Some(MOST / 2));
        while size.short_of_memory().is_some() {}
        assert_eq!(size.now(), SMALL);
        // Small requests say nothing.
        (0..10_000).for_each(|_| size.taken(SMALL / 4));
        assert_eq!(size.now(), SMALL);
        assert_eq!(send(&size, MOST, 1_000), 0);
        assert_eq!(size.now(), MOST);
    }

    #[test]
    fn one_byte_is_the_least() {
        let size = RequestSize::default();
        size.too_large(1);
        assert_eq!(size.now(), 1);
    }
}
