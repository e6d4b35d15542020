//! Opening a Parquet file: its footer, or a clear word about why there is none.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;

use crate::error::{Error, Result};

/// Opens a file and reads its footer, with the positions of its pages where it has them.
///
/// # Errors
/// [`Kind::Source`](crate::error::Kind::Source) when it can't be opened, is not Parquet, is cut
/// short, encrypted or damaged.
pub fn open(path: &Path) -> Result<(File, ArrowReaderMetadata)> {
    let unreadable =
        |error| Error::source("Cannot open the file").because(error).at(path.display());
    let mut file = File::open(path).map_err(unreadable)?;
    check_marks(&mut file, path)?;
    let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
    let footer = ArrowReaderMetadata::load(&file, options).map_err(|error| damaged(path, error))?;
    Ok((file, footer))
}

/// An error of the Parquet reader.
pub fn damaged(path: &Path, error: impl Into<ReadError>) -> Error {
    Error::source("The file is damaged, or uses a feature of Parquet that is not supported")
        .because(error.into().0)
        .at(path.display())
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
fn check_marks(file: &mut File, path: &Path) -> Result<()> {
    let mut marks = [[0; 4]; 2];
    let [head, tail] = &mut marks;
    let read = file
        .read_exact(head)
        .and_then(|()| file.seek(SeekFrom::End(-4)))
        .and_then(|_| file.read_exact(tail));
    match (read, &marks[0], &marks[1]) {
        (_, b"PARE", _) | (Ok(()), b"PAR1", b"PARE") => {
            Err(Error::source("The file is encrypted, which is not supported").at(path.display()))
        }
        (Ok(()), b"PAR1", b"PAR1") => Ok(()),
        (_, b"PAR1", _) => Err(Error::source("The file is cut short: its footer is missing")
            .at(path.display())
            .help("whoever wrote it did not finish; write or copy it again")),
        (Err(error), ..) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            Err(Error::source("Cannot read the file").because(error).at(path.display()))
        }
        _ => Err(Error::source("This is not a Parquet file").at(path.display())),
    }
}
