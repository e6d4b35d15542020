//! Reading pieces of a file into vectors.
//!
//! What must be copied out of a file anyway is read, not copied out of a map: mapping pages takes
//! the system as long as copying them. Pieces that lie one after the other are read by one call,
//! wherever each of them goes, and into memory that nobody filled with zeros before.
//!
//! One of the few modules with unsafe code (docs/reliability.md names them).
#![allow(unsafe_code, reason = "the system writes into memory that is not initialised")]

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use crate::error::{Error, Result};

/// What the systems take in one call (IOV_MAX on Linux and macOS).
const MOST_PIECES: usize = 1024;
/// A gap of so many bytes is read, too, and dropped: cheaper than another call.
const GAP: usize = 4096;

/// Bytes of a file that lie one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Position in the file of the first one.
    pub offset: u64,
    /// How many.
    pub bytes: usize,
    /// Number of the vector that they go to.
    pub into: usize,
}

/// Appends pieces of `file`, each to the one of the vectors that it names. Memory for them must have
/// been reserved: nothing is allocated for what a file claims.
///
/// # Errors
/// When the file ends early or can't be read. The vectors are as they were then.
pub fn read<const N: usize>(
    file: &File,
    pieces: impl IntoIterator<Item = Piece>,
    out: [&mut Vec<u8>; N],
) -> Result<()> {
    let call = |places: &[libc::iovec], offset: i64| {
        let count = libc::c_int::try_from(places.len()).unwrap_or(libc::c_int::MAX);
        // SAFETY: `fill` passes places that it may write to, and their number.
        let read = unsafe { libc::preadv(file.as_raw_fd(), places.as_ptr(), count, offset) };
        usize::try_from(read).map_err(|_| io::Error::last_os_error())
    };
    read_by(call, pieces, out)
}

/// Appends the `bytes` bytes of `file` that start at `offset`. Memory for them must have been
/// reserved.
///
/// # Errors
/// As [`read`].
pub fn append(file: &File, offset: u64, bytes: usize, out: &mut Vec<u8>) -> Result<()> {
    read(file, [Piece { offset, bytes, into: 0 }], [out])
}

/// That the file ends at `size`, but should have bytes up to `end`.
pub fn ends_early(size: u64, end: u64) -> Error {
    Error::source(format!("The file ends at byte {size}, but the data go on to byte {end}"))
        .help("the file is damaged or still being written; copy it again")
}

/// Fills places with what lies from a position on: the number of bytes that came, in order.
trait Call: FnMut(&[libc::iovec], i64) -> io::Result<usize> {}

impl<F: FnMut(&[libc::iovec], i64) -> io::Result<usize>> Call for F {}

fn read_by<const N: usize>(
    mut call: impl Call,
    pieces: impl IntoIterator<Item = Piece>,
    mut out: [&mut Vec<u8>; N],
) -> Result<()> {
    let before = out.each_ref().map(|out| out.len());
    let mut filled = [0; N];
    let mut places: Vec<libc::iovec> = Vec::new();
    let mut dropped = [MaybeUninit::<u8>::uninit(); GAP];
    let mut start = 0;
    let mut end = 0;
    {
        let mut spare = out.each_mut().map(|out| out.spare_capacity_mut());
        for Piece { offset, bytes, into } in pieces {
            if bytes == 0 {
                continue;
            }
            let gap = offset.checked_sub(end).and_then(|gap| usize::try_from(gap).ok());
            let gap = gap.filter(|&gap| gap <= GAP && !places.is_empty());
            if gap.is_none() || places.len() + 2 > MOST_PIECES {
                fill(&mut call, &mut places, start, end)?;
                start = offset;
            } else if let Some(iov_len @ 1..) = gap {
                places.push(libc::iovec { iov_base: dropped.as_mut_ptr().cast(), iov_len });
            }
            let place = spare.get_mut(into).and_then(|spare| spare.split_off_mut(..bytes));
            let Some(place) = place else {
                return Err(Error::internal(format!("No room for {bytes} bytes of a file")));
            };
            places.push(libc::iovec { iov_base: place.as_mut_ptr().cast(), iov_len: bytes });
            end = offset.saturating_add(bytes as u64);
            filled[into] += bytes;
        }
        fill(&mut call, &mut places, start, end)?;
    }
    for ((out, before), filled) in out.into_iter().zip(before).zip(filled) {
        // SAFETY: so many bytes of the spare capacity were split off, in order, and `fill` has
        // written all of them.
        unsafe { out.set_len(before + filled) };
    }
    Ok(())
}

/// Fills `places`, which must be writable, with the bytes from `start` to `end`, and empties the list.
fn fill(
    call: &mut impl Call,
    places: &mut Vec<libc::iovec>,
    mut start: u64,
    end: u64,
) -> Result<()> {
    let unreadable = |error| Error::source("Cannot read the file").because(error);
    let mut left = places.as_mut_slice();
    while !left.is_empty() {
        let offset = i64::try_from(start).map_err(|_| ends_early(i64::MAX.cast_unsigned(), end))?;
        match call(left, offset) {
            Ok(0) => return Err(ends_early(start, end)),
            Ok(read) => {
                left = behind(left, read);
                start += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    places.clear();
    Ok(())
}

/// What is left of `places` behind their first `bytes` bytes.
fn behind(mut places: &mut [libc::iovec], mut bytes: usize) -> &mut [libc::iovec] {
    while let Some(first) = places.first()
        && first.iov_len <= bytes
    {
        bytes -= first.iov_len;
        places = &mut places[1..];
    }
    if let Some(first) = places.first_mut() {
        first.iov_base = first.iov_base.wrapping_byte_add(bytes);
        first.iov_len -= bytes;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(bytes: &[u8]) -> (tempfile::NamedTempFile, File) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let open = File::open(file.path()).unwrap();
        (file, open)
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|n| (n % 251) as u8).collect()
    }

    fn piece(offset: u64, bytes: usize, into: usize) -> Piece {
        Piece { offset, bytes, into }
    }

    /// Codes of 7 and ids of 3 bytes in turn, from byte 5 on, without gaps, with empty ones between.
    fn in_turn(count: usize) -> Vec<Piece> {
        let start = |n: usize| 5 + 10 * n as u64;
        (0..count)
            .flat_map(|n| {
                [piece(start(n), 7, 0), piece(start(n) + 7, 0, 1), piece(start(n) + 7, 3, 1)]
            })
            .collect()
    }

    fn expected(file: &[u8], pieces: &[Piece]) -> [Vec<u8>; 2] {
        [0, 1].map(|into| {
            let pieces = pieces.iter().filter(|piece| piece.into == into);
            pieces.flat_map(|p| &file[p.offset as usize..][..p.bytes]).copied().collect()
        })
    }

    fn room(pieces: &[Piece]) -> [Vec<u8>; 2] {
        [0, 1].map(|into| {
            let pieces = pieces.iter().filter(|piece| piece.into == into);
            Vec::with_capacity(pieces.map(|piece| piece.bytes).sum())
        })
    }

    #[test]
    fn more_pieces_than_a_call_takes_come_in_order() {
        let content = bytes(50_000);
        let (_keep, file) = file_of(&content);
        for count in [0, 1, MOST_PIECES / 2, MOST_PIECES / 2 + 1, MOST_PIECES, 3 * MOST_PIECES + 1]
        {
            let pieces = in_turn(count);
            let [mut codes, mut ids] = room(&pieces);
            read(&file, pieces.iter().copied(), [&mut codes, &mut ids]).unwrap();
            assert_eq!([codes, ids], expected(&content, &pieces), "{count}");
        }
    }

    #[test]
    fn pieces_lie_anywhere_and_go_behind_what_is_there() {
        let content = bytes(10_000);
        let (_keep, file) = file_of(&content);
        let pieces = [piece(9_000, 999, 1), piece(1, 1, 0), piece(2, 4_097, 0), piece(1, 33, 1)];
        let [mut codes, mut ids] = room(&pieces);
        codes.extend([1, 2, 3]);
        codes.reserve_exact(4_098);
        read(&file, pieces, [&mut codes, &mut ids]).unwrap();
        let [want_codes, want_ids] = expected(&content, &pieces);
        assert_eq!((&codes[..3], &codes[3..], ids), (&[1, 2, 3][..], &want_codes[..], want_ids));
        append(&file, 9_999, 0, &mut codes).unwrap();
        assert_eq!(codes.len(), 3 + want_codes.len());
    }

    #[test]
    fn gaps_are_left_out_however_wide() {
        let content = bytes(60_000);
        let (_keep, file) = file_of(&content);
        for gap in [1, GAP - 1, GAP, GAP + 1] {
            let most = content.len() / (10 + gap);
            let pieces: Vec<Piece> =
                (0..most.min(2_000)).map(|n| piece((n * (10 + gap)) as u64, 10, n % 2)).collect();
            let [mut codes, mut ids] = room(&pieces);
            read(&file, pieces.iter().copied(), [&mut codes, &mut ids]).unwrap();
            assert_eq!([codes, ids], expected(&content, &pieces), "{gap}");
        }
    }

    #[test]
    fn a_file_that_ends_early_is_an_error_that_says_where() {
        let (_keep, file) = file_of(&bytes(100));
        let mut out = vec![1];
        out.reserve_exact(1000);
        let error = append(&file, 90, 11, &mut out).unwrap_err().to_string();
        assert!(
            error.starts_with("The file ends at byte 100, but the data go on to byte 101"),
            "{error}"
        );
        for offset in [101, i64::MAX as u64, u64::MAX] {
            append(&file, offset, 1, &mut out).unwrap_err();
        }
        assert_eq!(out, [1]);
        append(&file, 90, 10, &mut out).unwrap();
        assert_eq!(out[1..], bytes(100)[90..]);
    }

    #[test]
    fn nothing_is_written_where_there_is_no_room() {
        let (_keep, file) = file_of(&bytes(100));
        let mut out = Vec::with_capacity(10);
        let room = out.capacity();
        append(&file, 0, room + 1, &mut out).unwrap_err();
        read(&file, [piece(0, 1, 1)], [&mut out]).unwrap_err();
        assert!(out.is_empty());
    }

    #[test]
    fn calls_that_are_interrupted_or_come_short_go_on_where_they_were() {
        let content = bytes(5_000);
        let pieces = in_turn(400);
        for most in [1, 2, 3, 7, 10, 11, 64, 4_000] {
            let mut calls = 0;
            let call = |places: &[libc::iovec], offset: i64| {
                calls += 1;
                if calls % 3 == 0 {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                let mut source = &content[offset as usize..][..most];
                let count = places.iter().map(|place| place.iov_len).sum::<usize>().min(most);
                for place in places {
                    let len = place.iov_len.min(source.len());
                    // SAFETY: the place has at least so many bytes, which belong to the vectors.
                    unsafe {
                        std::ptr::copy_nonoverlapping(source.as_ptr(), place.iov_base.cast(), len);
                    }
                    source = &source[len..];
                }
                Ok(count)
            };
            let [mut codes, mut ids] = room(&pieces);
            read_by(call, pieces.iter().copied(), [&mut codes, &mut ids]).unwrap();
            assert_eq!([codes, ids], expected(&content, &pieces), "{most}");
        }
    }
}
