//! Opening a Parquet file: its footer, or a clear word about why there is none.

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{Error, Result};
use crate::store::{Place, Reader};

/// Opens a file and reads its footer, with the positions of its pages where it has them.
///
/// # Errors
/// [`Kind::Source`](crate::error::Kind::Source) when it can't be opened, is not Parquet, is cut
/// short, encrypted or damaged.
pub fn open(place: &Place) -> Result<(Reader, ArrowReaderMetadata)> {
    let file = place.open()?;
    check_marks(&file, place)?;
    let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
    let footer = ArrowReaderMetadata::load(&file, options)
        .map_err(|error| unreadable(&file, place, error))?;
    Ok((file, footer))
}

/// An error of the Parquet reader, or of the store below it.
pub fn unreadable(file: &Reader, place: &Place, error: impl Into<ReadError>) -> Error {
    file.failure().unwrap_or_else(|| {
        Error::source("The file is damaged, or uses a feature of Parquet that is not supported")
            .because(error.into().0)
            .at(place)
    })
}

/// What the Parquet reader fails with.
pub struct ReadError(Box<dyn std::error::Error + Send + Sync>);

impl From<ParquetError> for ReadError {
    fn from(error: ParquetError) -> Self {
        ReadError(error.into())
    }
}

impl From<arrow::error::ArrowError> for ReadError {
    fn from(error: arrow::error::ArrowError) -> Self {
        ReadError(error.into())
    }
}

/// A Parquet file starts and ends with `PAR1`, one with an encrypted footer with `PARE`
/// (<https://parquet.apache.org/docs/file-format/>).
fn check_marks(file: &Reader, place: &Place) -> Result<()> {
    let mark = |start: u64| match file.get_bytes(start, 4) {
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(file
            .failure()
            .unwrap_or_else(|| Error::source("Cannot read the file").because(error).at(place))),
    };
    let told = |what: &str| Error::source(what).at(place);
    if file.len() < 4 {
        return Err(told("This is not a Parquet file"));
    }
    let tail = mark(file.len() - 4)?;
    // The end of a good file says enough.
    if tail == b"PAR1"[..] {
        return Ok(());
    }
    match mark(0)?.as_ref() {
        b"PARE" => Err(told("The file is encrypted, which is not supported")),
        b"PAR1" if tail == b"PARE"[..] => {
            Err(told("The file is encrypted, which is not supported"))
        }
        b"PAR1" => Err(told("The file is cut short: its footer is missing")
            .help("whoever wrote it did not finish; write or copy it again")),
        _ => Err(told("This is not a Parquet file")),
    }
}
