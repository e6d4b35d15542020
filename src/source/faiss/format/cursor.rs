//! Going through a file part by part, with every length checked against the file's before anything
//! is done with it.

use std::fmt;
use std::ops::Range;

use crate::error::{Error, Result};

/// The four letters that begin each part of a Faiss file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FourCc(pub [u8; 4]);

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A list of values that lies in the file: checked to be within it, not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Byte that it begins at.
    pub start: usize,
    /// Number of values.
    pub count: usize,
    /// Bytes of a value.
    pub width: usize,
}

impl Extent {
    /// The bytes that it takes.
    pub fn range(self) -> Range<usize> {
        self.start..self.start + self.count * self.width
    }

    /// The bytes of values `values`.
    pub fn part(self, values: Range<usize>) -> Range<usize> {
        self.start + values.start * self.width..self.start + values.end * self.width
    }
}

/// Bytes of a file, and how far they are read.
#[derive(Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, position: 0 }
    }

    /// Byte that is read next.
    pub fn position(&self) -> usize {
        self.position
    }

    /// All bytes of the file.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    fn take<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let end = self.position.saturating_add(N);
        let found = self.bytes.get(self.position..end).and_then(|bytes| bytes.try_into().ok());
        let found = found.ok_or_else(|| self.ends_early(what, end as u64))?;
        self.position = end;
        Ok(found)
    }

    fn ends_early(&self, what: &str, end: u64) -> Error {
        Error::source(format!(
            "The file ends at byte {}, but {what} would go on to byte {end}",
            self.bytes.len()
        ))
        .at(format!("byte {}", self.position))
        .help("the file is damaged or still being written; copy it again")
    }

    /// The next four letters.
    pub fn fourcc(&mut self) -> Result<FourCc> {
        self.take("the name of a part").map(FourCc)
    }

    /// The next byte.
    pub fn u8(&mut self, what: &str) -> Result<u8> {
        self.take::<1>(what).map(|[byte]| byte)
    }

    /// The next 32-bit integer.
    pub fn i32(&mut self, what: &str) -> Result<i32> {
        self.take(what).map(i32::from_le_bytes)
    }

    /// The next 64-bit number.
    pub fn u64(&mut self, what: &str) -> Result<u64> {
        self.take(what).map(u64::from_le_bytes)
    }

    /// The next float.
    pub fn f32(&mut self, what: &str) -> Result<f32> {
        self.take(what).map(f32::from_le_bytes)
    }

    /// Passes over `bytes` bytes.
    pub fn skip(&mut self, bytes: usize, what: &str) -> Result<()> {
        self.extent(bytes as u64, 1, what).map(|_| ())
    }

    /// Passes over `count` values of `width` bytes.
    pub fn extent(&mut self, count: u64, width: usize, what: &str) -> Result<Extent> {
        let start = self.position;
        let end = count.checked_mul(width as u64).and_then(|n| n.checked_add(start as u64));
        let end = end.unwrap_or(u64::MAX);
        match (usize::try_from(end), usize::try_from(count)) {
            (Ok(end), Ok(count)) if end <= self.bytes.len() => {
                self.position = end;
                Ok(Extent { start, count, width })
            }
            _ => Err(self.ends_early(what, end)),
        }
    }

    /// Passes over a list that begins with its length in values.
    pub fn list(&mut self, width: usize, what: &str) -> Result<Extent> {
        let count = self.u64(what)?;
        self.extent(count, width, what)
    }

    /// A count that must fit memory.
    pub fn size(&mut self, what: &str) -> Result<usize> {
        let at = self.position;
        let value = self.u64(what)?;
        usize::try_from(value).map_err(|_| wrong(what, value, at))
    }
}

/// A value that can't be.
pub fn wrong(what: &str, value: impl fmt::Display, at: usize) -> Error {
    Error::source(format!("{what} is {value}"))
        .at(format!("byte {at}"))
        .help("the file is damaged, or not a Faiss index")
}

/// The 64-bit value `index` of `bytes`.
pub fn u64_at(bytes: &[u8], index: usize) -> Option<u64> {
    let at = index.checked_mul(8)?;
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_against_the_file() {
        let mut bytes = 3u64.to_le_bytes().to_vec();
        bytes.extend([1, 2, 3, 4, 5, 6]);
        let list = Cursor::new(&bytes).list(2, "the list").unwrap();
        assert_eq!((list.range(), list.part(1..2)), (8..14, 10..12));
        for (count, width) in [(4u64, 2), (u64::MAX, 2), (u64::MAX, 1), (3, usize::MAX)] {
            bytes[..8].copy_from_slice(&count.to_le_bytes());
            let error = Cursor::new(&bytes).list(width, "the list").unwrap_err().to_string();
            assert!(error.starts_with("The file ends at byte 14, but the list would"), "{error}");
        }
    }
}
