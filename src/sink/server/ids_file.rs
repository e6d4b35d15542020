//! A file of the ids that were inserted, one on each line, as MilvusDM kept one.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_array::ArrayRef;

use crate::error::{Error, Result};
use crate::flow::blocking;
use crate::location::{DataLocation, PathLocation};
use crate::private;

/// The open file. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct IdsFile {
    file: Arc<Mutex<File>>,
    name: Arc<str>,
}

impl IdsFile {
    /// Opens the file, which the configuration names by `key` and only its owner may read; ids of an
    /// earlier run stay in it.
    pub(crate) fn open(path: &Path, key: &str) -> Result<IdsFile> {
        let name: Arc<str> = format!("{key}, {}", path.display()).into();
        let file = private::options().create(true).append(true).open(path).map_err(|error| {
            Error::config("Cannot write the file of ids").because(error).at(&name)
        })?;
        Ok(IdsFile { file: Arc::new(Mutex::new(file)), name })
    }

    /// Identifies the file that would be opened, where the configuration names one.
    pub(crate) async fn location(path: Option<&Path>) -> Result<Option<DataLocation>> {
        let path = path.map(Path::to_owned);
        let identify = move || path.map(|path| PathLocation::resolve(&path)).transpose();
        Ok(blocking(identify).await?.map(DataLocation::Path))
    }

    /// Adds the ids of rows that the server took.
    pub(crate) async fn add(&self, ids: &ArrayRef) -> Result<()> {
        let (file, ids) = (Arc::clone(&self.file), Arc::clone(ids));
        let added = blocking(move || {
            let lines = lines_of(&ids)?;
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(lines.as_bytes())
                .map_err(|error| Error::target("Cannot write the file of ids").because(error))
        });
        added.await.map_err(|error| error.at(&self.name))
    }
}

fn lines_of(ids: &ArrayRef) -> Result<String> {
    let shown = ArrayFormatter::try_new(ids, &FormatOptions::default())
        .map_err(|error| Error::internal("Ids can't be shown").because(error))?;
    let mut lines = String::with_capacity(ids.len() * 8);
    for row in 0..ids.len() {
        lines.push_str(&shown.value(row).to_string());
        lines.push('\n');
    }
    Ok(lines)
}
