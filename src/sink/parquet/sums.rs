//! The checksums of a part's row groups, which stand in its footer: whoever reads it can tell that
//! its rows are those that were written.

use parquet::file::metadata::{KeyValue, ParquetMetaData};

use crate::error::{Error, Result};
use crate::table::Checksum;

/// File metadata key of the checksums.
pub const SUMS: &str = "vecpipe.checksums";

/// One checksum a row group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupSums(pub Vec<Checksum>);

impl GroupSums {
    /// As a footer has them; none in a file whose writer noted none.
    ///
    /// # Errors
    /// When they can't be those of its row groups.
    pub fn of(footer: &ParquetMetaData) -> Result<Option<GroupSums>> {
        let notes = footer.file_metadata().key_value_metadata().into_iter().flatten();
        let Some(note) = notes.into_iter().find(|note| note.key == SUMS) else { return Ok(None) };
        let texts = note.value.iter().flat_map(|text| text.split_ascii_whitespace());
        let sums = GroupSums(texts.map(str::parse).collect::<Result<_>>()?);
        match sums.0.len() == footer.num_row_groups() {
            true => Ok(Some(sums)),
            false => Err(Error::source(format!(
                "The footer has {} checksums for {} row groups",
                sums.0.len(),
                footer.num_row_groups()
            ))),
        }
    }

    /// As a footer notes them.
    pub fn note(&self) -> KeyValue {
        let texts: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        KeyValue::new(SUMS.to_owned(), texts.join(" "))
    }

    /// The checksum of all rows of the file.
    pub fn total(&self) -> Checksum {
        self.0.iter().copied().sum()
    }
}
