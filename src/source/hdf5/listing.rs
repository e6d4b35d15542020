//! Which datasets a file has, and what to say about one that it has not.

use std::collections::VecDeque;

use hdf5::LocationType;

use crate::error::Error;
use crate::source::hdf5::dataset::library_error;

/// Objects that a listing visits at most, so that a file of millions of groups ends too.
const MAX_OBJECTS: usize = 10_000;
/// Datasets that an error message names at most.
const MAX_NAMED: usize = 20;

/// The error for a dataset that can't be opened: it names those that there are, similar ones first.
pub fn missing(file: &hdf5::File, path: &str, error: &hdf5::Error) -> Error {
    let Ok(mut there) = list(file) else {
        return library_error(format!("Cannot open the dataset `{path}`"), error);
    };
    let wanted = path.trim_matches('/');
    if there.iter().any(|d| d.as_str() == wanted) {
        return library_error(format!("Cannot open the dataset `{path}`"), error);
    }
    if there.is_empty() {
        return Error::source(format!("No dataset `{path}`, the file holds no datasets at all"));
    }
    let likeness = |name: &str| {
        let last = name.rsplit('/').next().unwrap_or(name);
        let wanted_last = wanted.rsplit('/').next().unwrap_or(wanted);
        strsim::jaro_winkler(name, wanted).max(strsim::jaro_winkler(last, wanted_last))
    };
    there.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)).then_with(|| a.cmp(b)));
    let more = there.len().saturating_sub(MAX_NAMED);
    there.truncate(MAX_NAMED);
    let mut names = there.iter().map(|d| format!("`{d}`")).collect::<Vec<_>>().join(", ");
    if more > 0 {
        names.push_str(&format!(" and {more} more"));
    }
    Error::source(format!("No dataset `{path}`, there are {names}"))
        .help("set `vectors` and `ids` of source.hdf5 to the datasets' paths within the file")
}

/// The paths of all datasets of a file, without the leading slash: those of outer groups first,
/// within a group in the order of their names. Each group is looked at once, whatever links lead
/// to it.
///
/// # Errors
/// When a group can't be read.
pub fn list(file: &hdf5::File) -> hdf5::Result<Vec<String>> {
    let mut datasets = Vec::new();
    let root = file.loc_info()?;
    let mut seen = vec![(root.fileno, root.token)];
    let mut groups = VecDeque::from([String::new()]);
    while let Some(group) = groups.pop_front() {
        let mut members = if group.is_empty() {
            file.member_names()?
        } else {
            file.group(&group)?.member_names()?
        };
        members.sort();
        for member in members {
            let path = if group.is_empty() { member } else { format!("{group}/{member}") };
            // A link that leads nowhere is no dataset.
            let Ok(info) = file.loc_info_by_name(&path) else { continue };
            match info.loc_type {
                LocationType::Dataset => datasets.push(path),
                LocationType::Group if !seen.contains(&(info.fileno, info.token)) => {
                    seen.push((info.fileno, info.token));
                    groups.push_back(path);
                }
                _ => {}
            }
            if datasets.len() + seen.len() > MAX_OBJECTS {
                return Ok(datasets);
            }
        }
    }
    Ok(datasets)
}
