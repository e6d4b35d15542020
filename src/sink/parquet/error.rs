//! What the Parquet writer says, in words that help.

use std::io;
use std::path::Path;

use parquet::errors::ParquetError;

use crate::error::Error;
use crate::sink::files::disk::io_error;

/// An error of the Parquet writer, which wraps the file system's.
pub fn parquet_error(doing: &str, path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => io_error(doing, path, *error),
            Err(other) => {
                Error::target(format!("Cannot {doing}")).because(other).at(path.display())
            }
        },
        other => Error::target(format!("Cannot {doing}")).because(other).at(path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_file_system_keeps_its_help() {
        let full = io::Error::from_raw_os_error(libc::ENOSPC);
        let error = parquet_error("write the part", Path::new("/out/a.parquet"), full.into());
        assert!(error.to_string().contains("help: free some space"), "{error}");
    }
}
