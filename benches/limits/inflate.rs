//! The chunks of an HDF5 file, decompressed and dropped.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::{Decompress, FlushDecompress};

use crate::arguments::Arguments;
use crate::clock::{Clock, Measured};

/// `inflate path=FILE dataset=NAME threads=N`: each chunk read and inflated by zlib, on so many threads.
pub fn inflate(arguments: &Arguments) -> Measured {
    let (path, name): (String, String) = (arguments.get("path"), arguments.get("dataset"));
    let threads: usize = arguments.get("threads");
    let dataset = hdf5::File::open(&path).unwrap().dataset(&name).unwrap();
    let chunk_bytes = dataset.chunk().unwrap().iter().product::<usize>() * size_of::<f32>();
    let mut chunks = Vec::new();
    dataset
        .chunks_visit(|chunk| {
            chunks.push((chunk.addr, usize::try_from(chunk.size).unwrap()));
            0
        })
        .unwrap();
    let clock = Clock::start();
    let file = File::open(&path).unwrap();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let (mut stored, mut values) = (Vec::new(), vec![0; chunk_bytes]);
                let mut zlib = Decompress::new(true);
                while let Some(&(offset, size)) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    stored.resize(size, 0);
                    file.read_exact_at(&mut stored, offset).unwrap();
                    zlib.reset(true);
                    zlib.decompress(&stored, &mut values, FlushDecompress::Finish).unwrap();
                    assert_eq!(zlib.total_out(), chunk_bytes as u64);
                    black_box(&values);
                }
            });
        }
    });
    clock.stop(0, (chunks.len() * chunk_bytes) as u64)
}
