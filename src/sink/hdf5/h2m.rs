//! The YAML beside the files: it loads them into Milvus, as the one that MilvusDM wrote did, and
//! lists which files the table consists of.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::sink::TableToWrite;
use crate::sink::hdf5::names::{File, Names};
use crate::store::io_error;
use crate::table::{Metric, VectorType};

/// What the line begins with that tells which runs wrote the files.
const RUN: &str = "# Run: ";

/// Runs that a list names: one that is resumed after so many others have added rows is not known any
/// more.
const REMEMBERED: usize = 1000;

/// What a YAML says of its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The names of the table's files, in order.
    pub files: Vec<String>,
    /// The runs whose rows are in them, the last one at the end; none for those of earlier versions.
    pub runs: Vec<String>,
}

/// The YAML for a table that consists of `files`.
///
/// `earlier` are the runs whose rows come first, as far as they are remembered.
///
/// Paths are absolute, because `pipeline` looks for relative ones where it is started.
///
/// # Errors
/// When the folder's path is not UTF-8, or the current folder is gone.
pub fn text(
    names: &Names,
    files: &[String],
    table: &TableToWrite,
    earlier: &[String],
) -> Result<String> {
    let folder = std::path::absolute(names.folder())
        .map_err(|error| io_error("find the folder", names.folder(), error))?;
    let mut paths = String::new();
    for file in files {
        let path = folder.join(file);
        let path = path.to_str().ok_or_else(|| {
            Error::target("The folder's path is not UTF-8, a YAML file can't hold it")
                .at(path.display())
                .help("choose another `dir`")
        })?;
        paths.push_str(&format!("    - {}\n", quoted(path)?));
    }
    let forgotten = (earlier.len() + 1).saturating_sub(REMEMBERED);
    let mut runs: Vec<&str> = earlier.iter().skip(forgotten).map(String::as_str).collect();
    runs.push(names.run());
    let column = table.schema.column();
    let partition = table.part.partition().map_or(Ok("null".to_owned()), quoted)?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(format!(
        "# Written by vecpipe {version}. `pipeline run` with this file loads the rows into Milvus.
{RUN}{}
H2M:
  milvus-version: 2.x
  data_path:
{paths}  data_dir: null
  dest_host: 127.0.0.1
  dest_port: 19530
  mode: append
  dest_collection_name: {}
  dest_partition_name: {partition}
  collection_parameter:
    dimension: {}
    index_file_size: 1024
    metric_type: {}
",
        runs.join(" "),
        quoted(&table.collection)?,
        column.dim,
        metric(table.metric, column.vector_type),
    ))
}

fn metric(stated: Option<Metric>, vector_type: VectorType) -> Metric {
    let default = if vector_type == VectorType::Binary { Metric::Hamming } else { Metric::L2 };
    stated.filter(|metric| metric.fits(vector_type)).unwrap_or(default)
}

/// Any text as a YAML scalar: a JSON string is one. A dollar would begin the name of a variable.
fn quoted(text: &str) -> Result<String> {
    serde_json::to_string(&text.replace('$', "$$"))
        .map_err(|error| Error::internal("A text does not serialise").because(error))
}

/// What is of interest when the YAML is read back.
#[derive(Deserialize)]
struct Listing {
    #[serde(rename = "H2M")]
    h2m: Files,
}

#[derive(Deserialize)]
struct Files {
    data_path: Vec<String>,
}

/// What the YAML at `path` lists; `None` where there is none. The folder
/// may have been moved since it was written.
///
/// # Errors
/// When it can't be read, or lists anything but this table's files.
pub fn read(names: &Names, path: &Path) -> Result<Option<Listed>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("read the list of the files", path, error)),
    };
    let foreign = || {
        Error::target("The file does not list the HDF5 files beside it as this sink does")
            .at(path.display())
            .help("it is damaged, edited, or another program's; move it away")
    };
    let listing: Listing = serde_yaml::from_str(&text).map_err(|_| foreign())?;
    let name = |path: &String| {
        let name = path.rsplit('/').next().unwrap_or_default().replace("$$", "$");
        names.parse(&name).is_some_and(|named| named.file == File::Rows).then_some(name)
    };
    let files: Option<Vec<String>> = listing.h2m.data_path.iter().map(name).collect();
    let files = files.filter(|files| !files.is_empty()).ok_or_else(foreign)?;
    let runs = text.lines().find_map(|line| line.strip_prefix(RUN)).unwrap_or_default();
    let runs = runs.split_whitespace().map(str::to_owned).collect();
    Ok(Some(Listed { files, runs }))
}
