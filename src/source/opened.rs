//! The file that is read, open: its splits share it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;

/// What was opened last, by what names it. Opening can take as long as reading a split: a Faiss
/// index may have hundreds of thousands of lists, and libhdf5 starts a file with tables of its own.
/// Cloning shares it.
pub struct Opened<K, V>(Arc<Mutex<Option<Last<K, V>>>>);

struct Last<K, V> {
    key: K,
    value: Arc<V>,
}

impl<K: PartialEq, V> Opened<K, V> {
    /// What `key` names: the one that is open where it is that, and still `good`, else a new one.
    /// Several readers that want the same one wait for the first.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn get(
        &self,
        key: K,
        good: impl FnOnce(&V) -> bool,
        open: impl FnOnce() -> Result<V>,
    ) -> Result<Arc<V>> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = last.as_ref().filter(|last| last.key == key && good(&last.value)) {
            return Ok(Arc::clone(&opened.value));
        }
        // The memory of the one before is not held beside that of this one.
        *last = None;
        let value = Arc::new(open()?);
        *last = Some(Last { key, value: Arc::clone(&value) });
        Ok(value)
    }

    /// Keeps what is open already, in place of the one before.
    pub fn keep(&self, key: K, value: V) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Last { key, value: Arc::new(value) });
    }
}

impl<K, V> Clone for Opened<K, V> {
    fn clone(&self) -> Self {
        Opened(Arc::clone(&self.0))
    }
}

impl<K, V> Default for Opened<K, V> {
    fn default() -> Self {
        Opened(Arc::default())
    }
}

impl<K, V> fmt::Debug for Opened<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Opened").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_is_shared_until_another_is_wanted_or_it_went_bad() {
        let opened = Opened::default();
        let mut times = 0;
        let mut get = |key: &str, good: bool| {
            let value = opened.clone().get(
                key.to_owned(),
                |_| good,
                || {
                    times += 1;
                    Ok(times)
                },
            );
            *value.unwrap()
        };
        assert_eq!(get("a", true), 1);
        assert_eq!(get("a", true), 1);
        assert_eq!(get("b", true), 2);
        assert_eq!(get("a", true), 3);
        assert_eq!(get("a", false), 4);
    }

    #[test]
    fn what_is_open_already_is_not_opened_again() {
        let opened = Opened::default();
        opened.keep("a", 1);
        assert_eq!(*opened.get("a", |_| true, || panic!("it is open")).unwrap(), 1);
        opened.keep("b", 2);
        assert_eq!(*opened.get("a", |_| true, || Ok(3)).unwrap(), 3);
    }

    #[test]
    fn what_could_not_be_opened_is_tried_again() {
        let opened = Opened::<_, i32>::default();
        opened.get("a", |_| true, || Err(crate::error::Error::source("no"))).unwrap_err();
        assert_eq!(*opened.get("a", |_| true, || Ok(1)).unwrap(), 1);
    }
}
