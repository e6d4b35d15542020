//! The files that a dataset is read from beside the one that holds its name. libhdf5 follows external
//! links, external raw storage and virtual datasets by itself, so what it will open must be known before.
//!
//! Where it looks for them (`H5F_prefix_open_file` and `H5D__build_file_prefix` of HDF5 2.2): external raw files by
//! their path, which is relative to the working folder; files of virtual datasets beside the file that
//! holds the dataset, then from the working folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hdf5::dataset::Layout;

use crate::error::{Error, Result};
use crate::source::hdf5::dataset::library_error;
use crate::source::hdf5::mapping;

/// Datasets that one may be made of, and those that these are made of, and so on.
const MOST_DATASETS: usize = 10_000;
/// Files of a series (`part-%b.h5`) that are looked for.
const LONGEST_SERIES: usize = 100_000;
/// Bytes of a path, beyond which the crate cuts it.
const LONGEST_PATH: usize = 1024;
/// Variables by which libhdf5 looks for such files elsewhere.
const PREFIXES: [&str; 2] = ["HDF5_EXTFILE_PREFIX", "HDF5_VDS_PREFIX"];

/// The files that `dataset` is read from, without `file`, by which it was opened. Files that are missing
/// are among them.
///
/// # Errors
/// When its header can't be read, or its files are not where they would be looked for.
pub fn files_of(file: &Path, dataset: &hdf5::Dataset) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut to_follow = vec![dataset.clone()];
    while let Some(dataset) = to_follow.pop() {
        for (path, name) in look(&dataset, &mut found)? {
            if !seen.insert((path.clone(), name.clone())) {
                continue;
            }
            if seen.len() > MOST_DATASETS {
                return Err(Error::source("The dataset is made of too many others")
                    .help("rewrite it with `h5repack`, which makes one dataset of it"));
            }
            let part = hdf5::File::open(&path).and_then(|file| file.dataset(&name));
            found.insert(path);
            // A part that is missing reads as the fill value.
            to_follow.extend(part);
        }
    }
    let own = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    found.retain(|path| path.canonicalize().map_or(true, |path| path != own));
    if !found.is_empty() {
        let set = PREFIXES.iter().find(|name| std::env::var_os(name).is_some());
        if let Some(variable) = set {
            return Err(Error::config(format!(
                "The file leads to others, which the variable {variable} would have libhdf5 look for elsewhere"
            ))
            .help(format!("run without {variable}")));
        }
    }
    Ok(found)
}

/// Adds the files that hold a dataset itself; gives those that it is made of, with the datasets there.
fn look(
    dataset: &hdf5::Dataset,
    found: &mut BTreeSet<PathBuf>,
) -> Result<BTreeSet<(PathBuf, String)>> {
    let header = |error| library_error("Cannot read the dataset's header", &error);
    let holder = PathBuf::from(dataset.filename());
    found.insert(holder.clone());
    let properties = dataset.dcpl().map_err(header)?;
    for raw in properties.get_external().map_err(header)? {
        if raw.name.len() >= LONGEST_PATH {
            return Err(Error::source("The path of a file of external storage is too long"));
        }
        found.insert(PathBuf::from(raw.name));
    }
    if properties.get_layout().map_err(header)? != Layout::Virtual {
        return Ok(BTreeSet::new());
    }
    let parts = mapping::parts(dataset)?.into_iter();
    Ok(parts.flat_map(|(file, name)| series(&holder, &file, &name)).collect())
}

/// The files and datasets that an entry of a virtual dataset stands for.
fn series(holder: &Path, file: &str, dataset: &str) -> Vec<(PathBuf, String)> {
    let place = |file: &str| match file {
        "." => holder.to_owned(),
        file => looked_for(holder, file),
    };
    if !is_series(file) && !is_series(dataset) {
        return vec![(place(&numbered(file, 0)), numbered(dataset, 0))];
    }
    let all = (0..LONGEST_SERIES).map(|n| (place(&numbered(file, n)), numbered(dataset, n)));
    let is_there =
        |(path, name): &(PathBuf, String)| path.exists() && (is_series(file) || opens(path, name));
    all.take_while(is_there).collect()
}

fn opens(path: &Path, dataset: &str) -> bool {
    hdf5::File::open(path).is_ok_and(|file| file.link_exists(dataset))
}

/// Where a file of a virtual dataset is looked for.
fn looked_for(holder: &Path, file: &str) -> PathBuf {
    let (path, beside) = (Path::new(file), holder.parent().unwrap_or(Path::new("")));
    let last = path.file_name().map_or(path, Path::new);
    let real = holder.canonicalize().ok();
    let beside_real = real.as_deref().and_then(Path::parent);
    let relative = if path.is_absolute() { last } else { path };
    let mut candidates = Vec::new();
    if path.is_absolute() {
        candidates.push(path.to_owned());
    }
    candidates.push(beside.join(relative));
    candidates.push(relative.to_owned());
    candidates.extend(beside_real.map(|folder| folder.join(relative)));
    let there = candidates.iter().find(|path| path.exists());
    there.unwrap_or(&candidates[0]).clone()
}

/// True for a name with a number in it: `%b`.
fn is_series(name: &str) -> bool {
    numbered(name, 0) != numbered(name, 1)
}

/// A name with `n` in the place of `%b`, and `%` in that of `%%`.
fn numbered(name: &str, n: usize) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        match after.chars().next() {
            Some('b') => out.push_str(&n.to_string()),
            Some('%') => out.push('%'),
            _ => {
                out.push('%');
                rest = after;
                continue;
            }
        }
        rest = &after[1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_series() {
        for (name, n, expected) in [
            ("plain.h5", 3, "plain.h5"),
            ("part-%b.h5", 12, "part-12.h5"),
            ("100%%.h5", 1, "100%.h5"),
            ("a%b%%%b", 2, "a2%2"),
            ("%x", 1, "%x"),
        ] {
            assert_eq!(numbered(name, n), expected);
        }
        assert!(is_series("part-%b.h5") && !is_series("100%%b.h5"));
    }
}
