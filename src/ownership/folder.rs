//! Marks in folders and buckets: `.vecpipe-mark-1` is created once and never changed;
//! `.vecpipe-beat-1` is written by its holder alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Beat, Created, Mark, MarkStore, Placed};
use crate::blocking::blocking;
use crate::error::{Error, Result};
use crate::store::Place;

const MARK: &str = ".vecpipe-mark-";
const BEAT: &str = ".vecpipe-beat-";
/// Bytes that a mark may have.
const LARGEST: u64 = 64 << 10;

/// True when a file of this name belongs to a mark.
pub fn is_mark(name: &str) -> bool {
    number_of(name, MARK).or_else(|| number_of(name, BEAT)).is_some()
}

fn number_of(name: &str, start: &str) -> Option<u32> {
    let number = name.strip_prefix(start)?;
    number.parse().ok().filter(|n: &u32| n.to_string() == number)
}

/// The marks of a folder, or of the names in a bucket that begin alike.
#[derive(Debug, Clone)]
pub struct FolderMarks {
    folder: Place,
    /// Folders that were made for a mark, the outermost first.
    made: Arc<Mutex<Vec<Place>>>,
}

impl FolderMarks {
    /// Those of this folder, which need not be there.
    pub fn of(folder: Place) -> FolderMarks {
        // One folder is one target, however it is spelled.
        FolderMarks { folder: folder.resolved(), made: Arc::default() }
    }

    fn made(&self) -> MutexGuard<'_, Vec<Place>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self, number: u32) -> Place {
        self.folder.join(&format!("{MARK}{number}"))
    }

    fn beat_file(&self, number: u32) -> Place {
        self.folder.join(&format!("{BEAT}{number}"))
    }

    fn placed(&self, number: u32) -> Result<Option<Placed>> {
        let Some(text) = self.mark(number).read(LARGEST)? else { return Ok(None) };
        // One that is just being written, or damaged, holds all the same, and names nobody.
        let mark: Mark = serde_json::from_slice(&text).unwrap_or_default();
        let beat = self.beat_file(number).read(LARGEST)?;
        let beat = beat.and_then(|text| serde_json::from_slice::<Beat>(&text).ok());
        // One may be left of a run that had the number before.
        let beat = beat.filter(|beat| beat.run == mark.run);
        Ok(Some(Placed { number, mark, beat }))
    }

    fn all(&self) -> Result<Vec<Placed>> {
        let names = self.folder.entries()?.into_iter();
        let mut numbers: Vec<_> = names.filter_map(|entry| number_of(&entry.name, MARK)).collect();
        numbers.sort_unstable();
        numbers.into_iter().filter_map(|number| self.placed(number).transpose()).collect()
    }
}

#[async_trait]
impl MarkStore for FolderMarks {
    fn target(&self) -> String {
        format!("folder {}", self.folder)
    }

    async fn list(&self) -> Result<Vec<Placed>> {
        let this = self.clone();
        blocking(move || this.all()).await
    }

    async fn create(&self, number: u32, mark: &Mark) -> Result<Created> {
        let text = json(mark)?;
        let this = self.clone();
        blocking(move || {
            this.made().extend(this.folder.missing_folders());
            this.folder.make_folder()?;
            Ok(if this.mark(number).create_new(&text)? { Created::Yes } else { Created::No })
        })
        .await
    }

    async fn beat(&self, number: u32, beat: &Beat) -> Result<()> {
        let (text, file) = (json(beat)?, self.beat_file(number));
        blocking(move || file.replace(&text)).await
    }

    async fn remove(&self, number: u32) -> Result<()> {
        let this = self.clone();
        blocking(move || {
            this.beat_file(number).remove()?;
            this.mark(number).remove()?;
            // A run that came to nothing leaves nothing.
            while let Some(folder) = this.made().pop() {
                folder.remove_empty_folder();
            }
            Ok(())
        })
        .await
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| Error::internal("A mark does not serialise").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_number_is_created_once() {
        let dir = tempfile::tempdir().unwrap();
        let marks = FolderMarks::of(Place::Local(dir.path().join("deep/table")));
        assert!(marks.list().await.unwrap().is_empty());
        let mark = Mark { run: "a".to_owned(), ..Mark::default() };
        assert_eq!(marks.create(1, &mark).await.unwrap(), Created::Yes);
        assert_eq!(marks.create(1, &Mark::default()).await.unwrap(), Created::No);
        marks.beat(1, &Beat::now("a", 3, super::super::State::Left)).await.unwrap();
        let found = marks.list().await.unwrap();
        assert_eq!((found.len(), &*found[0].mark.run), (1, "a"));
        assert!(found[0].was_left());
        marks.remove(1).await.unwrap();
        marks.remove(1).await.unwrap();
        assert!(marks.list().await.unwrap().is_empty());
        assert_eq!(marks.create(1, &mark).await.unwrap(), Created::Yes);
    }

    #[test]
    fn names_of_marks_are_known() {
        assert!(is_mark(".vecpipe-mark-1") && is_mark(".vecpipe-beat-12"));
        for other in [".vecpipe-mark-", ".vecpipe-mark-01", "vecpipe-mark-1", ".part-00001.parquet"]
        {
            assert!(!is_mark(other), "{other}");
        }
    }
}
