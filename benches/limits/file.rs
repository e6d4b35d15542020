//! The bytes of a file, from the page cache.

use std::fs::File;
use std::hint::black_box;
use std::io::Read;

use crate::arguments::Arguments;
use crate::clock::{Clock, Measured};

/// As much as a batch of vecpipe's has.
const PIECE: usize = 8 << 20;

/// `read path=FILE pieces=N`: plain reads of 8 MiB, into so many pieces of memory in turn.
pub fn read(arguments: &Arguments) -> Measured {
    let path: String = arguments.get("path");
    let clock = Clock::start();
    // Like those of a program that has just begun: nobody touched them.
    let mut pieces = vec![vec![0; PIECE]; arguments.get("pieces")];
    let mut file = File::open(path).unwrap();
    let (mut bytes, mut turn) = (0, 0);
    loop {
        let count = pieces.len();
        let piece = &mut pieces[turn % count];
        match file.read(piece).unwrap() {
            0 => return clock.stop(0, bytes),
            read => bytes += read as u64,
        }
        black_box(piece);
        turn += 1;
    }
}

/// `sum path=FILE`: a sum over the mapped bytes, each taken once as a float.
#[allow(unsafe_code, reason = "nobody changes the file")]
pub fn sum(arguments: &Arguments) -> Measured {
    let path: String = arguments.get("path");
    let clock = Clock::start();
    // SAFETY: the file is the bench's own.
    let map = unsafe { memmap2::Mmap::map(&File::open(path).unwrap()) }.unwrap();
    let mut sums = [0.0; 16];
    for sixteen in map.as_chunks::<64>().0 {
        let floats = sixteen.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        sums.iter_mut().zip(floats).for_each(|(sum, value)| *sum += value);
    }
    black_box(sums);
    clock.stop(0, map.len() as u64)
}
