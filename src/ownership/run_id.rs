//! What tells one run from another.

use std::time::{SystemTime, UNIX_EPOCH};

use twox_hash::XxHash3_128;

/// Characters of a run's id.
const LENGTH: usize = 16;

/// An id that no other run has: eight hexadecimal digits of the time in seconds, so that ids sort by
/// age, and eight that follow from the time in nanoseconds, the process and the machine. Fits into
/// names of files, collections and fields.
pub fn new_run_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let address = &raw const now as usize;
    let seed = format!("{}-{}-{address}-{}", now.as_nanos(), std::process::id(), host_seed());
    let hash = XxHash3_128::oneshot(seed.as_bytes()) as u32;
    format!("{:08x}{hash:08x}", now.as_secs() as u32)
}

/// True for what [`new_run_id`] gives.
pub fn is_run_id(text: &str) -> bool {
    text.len() == LENGTH && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// When the run with this id began, in seconds since 1970.
pub fn began(run: &str) -> Option<u64> {
    let seconds = run.get(..8).filter(|_| is_run_id(run))?;
    u32::from_str_radix(seconds, 16).ok().map(u64::from)
}

fn host_seed() -> String {
    super::Process::current().host
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_differ_and_are_read_back() {
        let ids: BTreeSet<_> = (0..1000).map(|_| new_run_id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| is_run_id(id)));
        assert_eq!(began("692adc0001234567"), Some(0x692a_dc00));
        for other in ["", "0123456789abcde", "0123456789abcdeg", "0123456789ABCDEF"] {
            assert!(!is_run_id(other), "{other}");
        }
    }
}
