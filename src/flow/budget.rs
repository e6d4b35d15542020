//! The shared memory budget: bytes of rows in flight, from the reader's allocation to the
//! target's acknowledgement.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// Permits are counted in units of this many bytes, so that a budget of terabytes fits the
/// semaphore's 32-bit requests.
const UNIT: u64 = 1024;

/// A budget in bytes. Cloning shares it.
///
/// Requests are served in the order in which they came, so a large one is not starved by small
/// ones. One request larger than the whole budget waits until everything is free and then passes:
/// an oversized row must move too.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    units: Arc<Semaphore>,
    total: u32,
}

impl MemoryBudget {
    /// A budget of `bytes`, at least one kibibyte.
    pub fn new(bytes: u64) -> Self {
        let total = u32::try_from(bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX);
        let total = total.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        MemoryBudget { units: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// Bytes in the whole budget.
    pub fn total_bytes(&self) -> u64 {
        u64::from(self.total) * UNIT
    }

    /// Bytes that nobody holds now.
    pub fn free_bytes(&self) -> u64 {
        self.units.available_permits() as u64 * UNIT
    }

    /// Waits until `bytes` are free, or `cancel` fires.
    ///
    /// # Errors
    /// [`Kind::Interrupted`](crate::error::Kind::Interrupted) when cancelled while waiting.
    pub async fn reserve(&self, bytes: u64, cancel: &CancellationToken) -> Result<Permit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.total);
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::interrupted()),
            permit = Arc::clone(&self.units).acquire_many_owned(units) => {
                permit.map(|p| Permit { _units: Some(Arc::new(p)) }).map_err(|_| Error::interrupted())
            }
        }
    }
}

/// The right to hold some bytes. A clone shares it; dropping the last one returns the bytes.
#[derive(Debug, Clone)]
pub struct Permit {
    _units: Option<Arc<OwnedSemaphorePermit>>,
}

impl Permit {
    /// A permit for memory that no budget counts: slices of a memory map, tests.
    pub fn free() -> Self {
        Permit { _units: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_oversized_request_waits_for_everything_and_passes() -> Result<()> {
        let budget = MemoryBudget::new(10 * UNIT);
        let cancel = CancellationToken::new();
        let small = budget.reserve(UNIT, &cancel).await?;
        let mut large = Box::pin(budget.reserve(1 << 40, &cancel));
        assert!(futures::poll!(&mut large).is_pending());
        drop(small);
        let large = large.await?;
        assert_eq!(budget.free_bytes(), 0);
        drop(large);
        assert_eq!(budget.free_bytes(), 10 * UNIT);
        Ok(())
    }

    #[tokio::test]
    async fn cancelling_frees_a_waiter() {
        let budget = MemoryBudget::new(UNIT);
        let cancel = CancellationToken::new();
        let _all = budget.reserve(UNIT, &cancel).await;
        let waiter = budget.reserve(UNIT, &cancel);
        cancel.cancel();
        assert!(waiter.await.is_err());
    }
}
