//! The gzip filter, which is zlib's format.

use flate2::{Decompress, FlushDecompress, Status};

use super::{damaged, reserve};
use crate::error::Result;

/// Memory for what comes after the bytes that were expected.
const STEP: usize = 64 << 10;

/// What inflating needs besides input and output, kept from chunk to chunk.
#[derive(Debug)]
pub struct Inflater(Decompress);

impl Inflater {
    /// One that has inflated nothing yet.
    pub fn new() -> Inflater {
        Inflater(Decompress::new(true))
    }

    /// Inflates `bytes` to their end, where the checksum is. Memory for what is expected should have
    /// been reserved. Stops when that is used up and more than `limit` bytes have come.
    ///
    /// # Errors
    /// When the bytes are no zlib stream, end before it does, or don't fit its checksum.
    pub fn append(&mut self, bytes: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<()> {
        self.0.reset(true);
        let before = out.len();
        loop {
            let taken = self.0.total_in() as usize;
            let filled = out.len();
            let rest = bytes.get(taken..).unwrap_or_default();
            let status = self
                .0
                .decompress_vec(rest, out, FlushDecompress::Finish)
                .map_err(|error| damaged("A gzip chunk is broken").because(error))?;
            let too_much = out.len() - before > limit && is_full(out);
            if status == Status::StreamEnd || too_much {
                return Ok(());
            }
            if is_full(out) {
                // The end may be all that is left, and needs no memory.
                let mut more = [0];
                let rest = bytes.get(self.0.total_in() as usize..).unwrap_or_default();
                let all = self.0.total_out();
                let status = self
                    .0
                    .decompress(rest, &mut more, FlushDecompress::Finish)
                    .map_err(|error| damaged("A gzip chunk is broken").because(error))?;
                let came = self.0.total_out() > all;
                if came {
                    reserve(out, STEP)?;
                    out.extend(more);
                }
                if status == Status::StreamEnd {
                    return Ok(());
                }
                if !came {
                    return Err(damaged("A gzip chunk ends early"));
                }
            } else if self.0.total_in() as usize == taken && out.len() == filled {
                return Err(damaged("A gzip chunk ends early"));
            }
        }
    }
}

fn is_full(out: &Vec<u8>) -> bool {
    out.len() == out.capacity()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn streams_go_behind_what_is_there_with_exact_room_or_none() {
        let mut inflater = Inflater::new();
        for size in [0, 1, 1000, 100_000, 300_000] {
            let bytes: Vec<u8> = (0..size).map(|n: usize| (n * n % 253) as u8).collect();
            for room in [0, size, size + 77] {
                let mut out = vec![1, 2, 3];
                out.reserve_exact(room);
                inflater.append(&deflate(&bytes), size + 1, &mut out).unwrap();
                assert_eq!((&out[..3], &out[3..]), (&[1, 2, 3][..], &bytes[..]), "{size} {room}");
            }
        }
    }

    #[test]
    fn broken_streams_are_errors_and_leave_nothing_for_the_next() {
        let mut inflater = Inflater::new();
        let whole = deflate(&[7; 5000]);
        for bytes in [&whole[..0], &whole[..1], &whole[..whole.len() - 1], &[0xff; 100]] {
            inflater.append(bytes, 5000, &mut Vec::new()).unwrap_err();
        }
        let mut out = Vec::new();
        inflater.append(&whole, 5000, &mut out).unwrap();
        assert_eq!(out, [7; 5000]);
    }

    #[test]
    fn a_checksum_is_looked_at_when_the_room_is_used_up() {
        let bytes: Vec<u8> = (0..70_000usize).map(|n| (n * n % 253) as u8).collect();
        let mut wrong = deflate(&bytes);
        *wrong.last_mut().unwrap() ^= 1;
        for room in [0, bytes.len(), bytes.len() + 1] {
            let mut out = Vec::with_capacity(room);
            let mut inflater = Inflater::new();
            inflater.append(&wrong, bytes.len(), &mut out).unwrap_err();
            // Only the last bytes, those of the checksum, are missing.
            let cut = &wrong[..wrong.len() - 3];
            inflater.append(cut, bytes.len(), &mut Vec::with_capacity(room)).unwrap_err();
        }
    }

    #[test]
    fn a_stream_of_far_more_than_a_chunk_is_not_inflated_to_its_end() {
        let mut out = Vec::with_capacity(1000);
        Inflater::new().append(&deflate(&vec![0; 10 << 20]), 1000, &mut out).unwrap();
        assert!((1001..=2000 + STEP).contains(&out.len()), "{}", out.len());
    }
}
