//! A dataset of a file: its shape, its type, and how its elements reach us.

use std::path::Path;

use hdf5::types::{FloatSize, IntSize, TypeDescriptor};
use hdf5::{LocationType, MinorErrorCode};

use crate::error::{Error, Result};
use crate::source::hdf5::files::name;

/// Objects that a listing visits at most, so that a file with a maze of links ends too.
const MAX_OBJECTS: usize = 10_000;
/// Datasets that an error message names at most.
const MAX_NAMED: usize = 20;

/// Turns an error of libhdf5 into ours. Its innermost words are those that say what is wrong.
pub fn library_error(what: impl Into<String>, error: &hdf5::Error) -> Error {
    let stack = error.stack();
    let innermost = stack.as_ref().and_then(|s| s.last()).map(|frame| frame.desc().to_owned());
    Error::source(what).because(innermost.unwrap_or_else(|| error.to_string()))
}

/// Opens a file for reading.
///
/// # Errors
/// Not HDF5, truncated, locked by a writer, unreadable.
pub fn open_file(path: &Path) -> Result<hdf5::File> {
    if !is_hdf5(path)? {
        return Err(Error::source("Not an HDF5 file")
            .at(name(path))
            .help("it has no HDF5 signature; `pipeline inspect` tells what other files are"));
    }
    hdf5::File::open(path).map_err(|error| {
        if error.contains_minor(MinorErrorCode::Truncated) {
            library_error("The file is truncated", &error)
                .at(name(path))
                .help("copy it again from where it came from; part of it is missing")
        } else {
            library_error("Cannot open the HDF5 file", &error).at(name(path))
        }
    })
}

/// True when the file starts with HDF5's signature, or has it behind a user block: at 0, 512 and
/// each doubling of it (HDF5 file format specification, section II.A).
///
/// # Errors
/// When the file can't be read.
pub fn is_hdf5(path: &Path) -> Result<bool> {
    use std::os::unix::fs::FileExt;
    const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";
    let unreadable = |error| Error::source("Cannot read the file").because(error).at(name(path));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut at = 0;
    while at + 8 <= size {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, at).map_err(unreadable)?;
        if &bytes == SIGNATURE {
            return Ok(true);
        }
        at = if at == 0 { 512 } else { at * 2 };
    }
    Ok(false)
}

/// One element as the readers hand it on, in this machine's byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// A floating-point number of 2, 4 or 8 bytes.
    Float(usize),
    /// A signed integer of 1 to 8 bytes.
    Signed(usize),
    /// An unsigned integer of 1 to 8 bytes.
    Unsigned(usize),
    /// A byte string of fixed length, all of whose bytes are data.
    Bytes(usize),
}

impl Element {
    /// What comes out of a dataset of this type; none where it is no number and no byte string.
    fn of(stored: &TypeDescriptor, exact: bool) -> Option<Element> {
        Some(match *stored {
            TypeDescriptor::Float(size) if exact => Element::Float(size as usize),
            TypeDescriptor::Float(FloatSize::U8) => Element::Float(8),
            // Any float of 2 bytes fits one of 4, whatever its exponent.
            TypeDescriptor::Float(_) => Element::Float(4),
            TypeDescriptor::Integer(size) if exact => Element::Signed(size as usize),
            TypeDescriptor::Integer(_) => Element::Signed(8),
            TypeDescriptor::Unsigned(size) if exact => Element::Unsigned(size as usize),
            TypeDescriptor::Unsigned(IntSize::U1) => Element::Unsigned(1),
            TypeDescriptor::Unsigned(_) => Element::Unsigned(8),
            TypeDescriptor::FixedAscii(n) | TypeDescriptor::FixedUnicode(n) if n > 0 => {
                Element::Bytes(n)
            }
            _ => return None,
        })
    }

    /// Bytes of one element.
    pub fn width(self) -> usize {
        match self {
            Element::Float(n) | Element::Signed(n) | Element::Unsigned(n) | Element::Bytes(n) => n,
        }
    }
}

/// A dataset that can be read.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// libhdf5's handle.
    pub handle: hdf5::Dataset,
    /// Path within the file.
    pub path: String,
    /// Length of each dimension.
    pub shape: Vec<u64>,
    /// The type in words: `float32`, `int64 (big endian)`.
    pub type_name: String,
    /// What comes out of it; `None` for types that are neither numbers nor fixed-length strings.
    pub element: Option<Element>,
    /// The bytes in the file are the element as this machine holds it. Otherwise libhdf5 has to
    /// convert: another byte order, or a number format other than IEEE 754 and two's complement.
    pub exact: bool,
}

impl Dataset {
    /// Opens a dataset by its path within the file.
    ///
    /// # Errors
    /// When there is none; the error names those that there are, similar ones first.
    pub fn open(file: &hdf5::File, path: &str) -> Result<Dataset> {
        match file.dataset(path) {
            Ok(handle) => Dataset::of(handle, path),
            Err(error) => Err(missing(file, path, &error)),
        }
    }

    /// Opens a dataset if the file has it.
    ///
    /// # Errors
    /// When it exists and can't be opened.
    pub fn open_if_there(file: &hdf5::File, path: &str) -> Result<Option<Dataset>> {
        if !file.link_exists(path) {
            return Ok(None);
        }
        Dataset::open(file, path).map(Some)
    }

    /// Looks at an open dataset.
    ///
    /// # Errors
    /// When its header can't be read.
    pub fn of(handle: hdf5::Dataset, path: &str) -> Result<Dataset> {
        let broken = |error| library_error(format!("Cannot read the header of `{path}`"), &error);
        let shape = handle.get_shape().map_err(broken)?.iter().map(|&n| n as u64).collect();
        let stored = handle.dtype().map_err(broken)?;
        let descriptor = stored.to_descriptor().ok();
        // Only a comparison of the whole type tells IEEE from bfloat16, or 24 bits in 32.
        let exact = descriptor
            .as_ref()
            .is_some_and(|d| hdf5::Datatype::from_descriptor(d).is_ok_and(|t| t == stored));
        let element = descriptor.as_ref().and_then(|d| Element::of(d, exact));
        // The bytes of strings are taken as they are, so their padding and encoding don't matter.
        let exact = exact || matches!(element, Some(Element::Bytes(_)));
        let big = stored.byte_order() == hdf5::datatype::ByteOrder::BigEndian && stored.size() > 1;
        let type_name = match &descriptor {
            Some(TypeDescriptor::FixedAscii(n) | TypeDescriptor::FixedUnicode(n)) => {
                format!("byte string of length {n}")
            }
            Some(descriptor) if big => format!("{descriptor} (big endian)"),
            Some(descriptor) => descriptor.to_string(),
            None => stored.to_string(),
        };
        Ok(Dataset { handle, path: path.to_owned(), shape, type_name, element, exact })
    }

    /// Number of rows, the first dimension; 1 for a scalar.
    pub fn rows(&self) -> u64 {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Type and shape in words.
    pub fn describe(&self) -> String {
        format!("`{}` is {} {}", self.path, self.type_name, shape_words(&self.shape))
    }
}

/// A shape as numpy writes it.
pub fn shape_words(shape: &[u64]) -> String {
    let lengths: Vec<_> = shape.iter().map(u64::to_string).collect();
    format!("[{}]", lengths.join(", "))
}

fn missing(file: &hdf5::File, path: &str, error: &hdf5::Error) -> Error {
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

/// The paths of all datasets of a file, without the leading slash, in alphabetical order of each
/// group's links.
///
/// # Errors
/// When a group can't be read.
pub fn list(file: &hdf5::File) -> hdf5::Result<Vec<String>> {
    let mut datasets = Vec::new();
    let mut groups = vec![(String::new(), 0)];
    let mut visited = 0;
    while let Some((group, depth)) = groups.pop() {
        let members =
            if group.is_empty() { file.member_names() } else { file.group(&group)?.member_names() };
        let mut inner = Vec::new();
        for member in members? {
            visited += 1;
            if visited > MAX_OBJECTS {
                return Ok(datasets);
            }
            let path = if group.is_empty() { member } else { format!("{group}/{member}") };
            // A link that leads nowhere is no dataset.
            match file.loc_type_by_name(&path) {
                Ok(LocationType::Dataset) => datasets.push(path),
                // Hard links can form a circle.
                Ok(LocationType::Group) if depth < 16 => inner.push((path, depth + 1)),
                _ => {}
            }
        }
        groups.extend(inner.into_iter().rev());
    }
    Ok(datasets)
}
