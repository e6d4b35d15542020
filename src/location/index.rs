//! Finding overlaps among many locations, in time that grows with their number and not its square.

use std::collections::HashMap;

use super::{DataLocation, Key};

/// Locations, each with what it belongs to.
#[derive(Debug)]
pub struct LocationIndex<T> {
    entries: HashMap<Key, Vec<(DataLocation, T)>>,
}

impl<T> Default for LocationIndex<T> {
    fn default() -> Self {
        LocationIndex { entries: HashMap::new() }
    }
}

impl<T> LocationIndex<T> {
    /// Adds a location.
    pub fn insert(&mut self, location: DataLocation, owner: T) {
        self.entries.entry(location.own_key()).or_default().push((location, owner));
    }

    /// Returns true when there are no locations.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns a location of the index that is `location` or contains it. A collection and its
    /// partitions contain each other.
    pub fn find(&self, location: &DataLocation) -> Option<(&DataLocation, &T)> {
        let keys = location.enclosing_keys();
        let candidates = keys.iter().filter_map(|key| self.entries.get(key)).flatten();
        let mut found = candidates.filter(|(candidate, _)| candidate.overlaps(location));
        found.next().map(|(found, owner)| (found, owner))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::location::PathLocation;

    fn path(path: &Path) -> DataLocation {
        DataLocation::Path(PathLocation::resolve(path).unwrap())
    }

    #[test]
    fn a_folder_is_found_by_each_file_in_it_and_by_no_other() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["a", "b", "c"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
            fs::write(dir.path().join(folder).join("f"), "").unwrap();
        }
        let mut index = LocationIndex::default();
        index.insert(path(&dir.path().join("a")), 1);
        index.insert(path(&dir.path().join("c/f")), 3);
        index.insert(path(&dir.path().join("a/new/er")), 4);
        let find = |name: &str| index.find(&path(&dir.path().join(name))).map(|(_, n)| *n);
        assert_eq!(["a/f", "b/f", "c/f", "c", "b"].map(find), [Some(1), None, Some(3), None, None]);
    }
}
