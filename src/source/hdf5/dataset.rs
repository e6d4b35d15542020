//! A dataset of a file: its shape, its type, and how its elements reach us.

use std::path::Path;

use hdf5::MinorErrorCode;
use hdf5::datatype::ByteOrder;
use hdf5::types::{FloatSize, IntSize, TypeDescriptor};

use crate::error::{Error, Result};
use crate::source::hdf5::form::Form;
use crate::source::hdf5::listing::missing;

/// Turns an error of libhdf5 into ours.
pub fn library_error(what: impl Into<String>, error: &hdf5::Error) -> Error {
    Error::source(what).because(innermost_words(error))
}

/// The words of libhdf5 that say what is wrong.
pub(crate) fn innermost_words(error: &hdf5::Error) -> String {
    let stack = error.stack();
    let innermost = stack.as_ref().and_then(|s| s.last()).map(|frame| frame.desc().to_owned());
    innermost.unwrap_or_else(|| error.to_string())
}

/// Opens a file for reading.
///
/// # Errors
/// Not HDF5, truncated, locked by a writer, unreadable.
pub fn open_file(path: &Path) -> Result<hdf5::File> {
    if !is_hdf5(path)? {
        return Err(Error::source("Not an HDF5 file")
            .help("it has no HDF5 signature; `pipeline inspect` tells what other files are"));
    }
    hdf5::File::open(path).map_err(|error| {
        if error.contains_minor(MinorErrorCode::Truncated) {
            library_error("The file is truncated", &error)
                .help("copy it again from where it came from; part of it is missing")
        } else {
            library_error("Cannot open the HDF5 file", &error)
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
    let unreadable = |error| Error::source("Cannot read the file").because(error);
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
            // Twice the size holds every number of a format that is not known further.
            TypeDescriptor::Float(FloatSize::U2) => Element::Float(4),
            TypeDescriptor::Float(_) => Element::Float(8),
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
    /// How the elements stand in the file.
    pub form: Form,
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
        let form = descriptor.as_ref().map_or(Form::Foreign, |d| Form::of(&stored, d));
        let element = descriptor.as_ref().and_then(|d| Element::of(d, form != Form::Foreign));
        // The bytes of strings are taken as they are, so their padding and encoding don't matter.
        let form = if let Some(Element::Bytes(_)) = element { Form::Native } else { form };
        let type_name = match &descriptor {
            Some(TypeDescriptor::FixedAscii(n) | TypeDescriptor::FixedUnicode(n)) => {
                format!("byte string of length {n}")
            }
            Some(TypeDescriptor::Float(size)) if form == Form::Foreign => {
                format!("a float of {} bytes that is not IEEE 754's", *size as usize)
            }
            Some(descriptor) => match stored.byte_order() {
                ByteOrder::BigEndian if stored.size() > 1 => format!("{descriptor} (big endian)"),
                _ => descriptor.to_string(),
            },
            None => format!("another type of {} bytes", stored.size()),
        };
        Ok(Dataset { handle, path: path.to_owned(), shape, type_name, element, form })
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
