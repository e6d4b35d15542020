//! How fast sources read, beside what the machine can do with the same bytes: HDF5 beside a plain
//! read, Faiss beside a sum over the mapped file.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::{StreamExt, TryStreamExt};
use vecpipe::flow::{BatchSize, MemoryBudget, ReadContext};
use vecpipe::source::{Columns, Source, SourceFactory, faiss, hdf5 as hdf5_source};

const DIM: usize = 128;
const ROWS: usize = 400_000;
const BATCH_BYTES: usize = 8 << 20;

/// Few distinct values, so that gzip has something to do and something to win.
fn values() -> Vec<f32> {
    (0..ROWS * DIM).map(|n| ((n * 7919) % 1021) as f32 / 512.0 - 1.0).collect()
}

/// Reads everything and drops it, as a target that takes no time would.
async fn read(source: &dyn Source, readers: usize) -> u64 {
    let table = source.tables().await.unwrap().remove(0);
    let batch_size = BatchSize { rows: usize::MAX, bytes: BATCH_BYTES };
    let cx = ReadContext::new(MemoryBudget::new(512 << 20), batch_size, readers).unwrap();
    let (table, cx) = (&table, &cx);
    futures::stream::iter(&table.splits)
        .map(|split| async move {
            let batches = source.open(table, split, 0, Columns::All, cx)?;
            batches.try_fold(0, |rows, batch| async move { Ok(rows + batch.len()) }).await
        })
        .buffered(readers)
        .try_fold(0, |rows, more| async move { Ok(rows + more) })
        .await
        .unwrap()
}

fn read_plainly(path: &Path) -> usize {
    let mut file = File::open(path).unwrap();
    let mut bytes = 0;
    loop {
        let mut batch = Vec::with_capacity(BATCH_BYTES);
        let read = (&mut file).take(BATCH_BYTES as u64).read_to_end(&mut batch).unwrap();
        black_box(&batch);
        bytes += read;
        if read == 0 {
            return bytes;
        }
    }
}

/// Touches every byte of a fresh map.
#[allow(unsafe_code, reason = "nobody changes the file")]
fn sum_mapped(path: &Path) -> f32 {
    // SAFETY: the file is the bench's own.
    let map = unsafe { memmap2::Mmap::map(&File::open(path).unwrap()) }.unwrap();
    let mut sums = [0.0; 16];
    for sixteen in map.as_chunks::<64>().0 {
        let floats = sixteen.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        sums.iter_mut().zip(floats).for_each(|(sum, value)| *sum += value);
    }
    sums.iter().sum()
}

fn write_hdf5(folder: &Path, name: &str, gzip: bool) -> PathBuf {
    let path = folder.join(name);
    let file = hdf5::File::create(&path).unwrap();
    let builder = file.new_dataset::<f32>().shape((ROWS, DIM));
    let builder = if gzip { builder.chunk((2048, DIM)).deflate(1) } else { builder };
    let dataset = builder.create("embeddings").unwrap();
    dataset.as_writer().write_raw(&values()).unwrap();
    path
}

fn hdf5_files(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let contiguous = write_hdf5(folder.path(), "contiguous.h5", false);
    let gzip = write_hdf5(folder.path(), "gzip.h5", true);
    let source = |path: &Path| {
        let paths = vec![path.display().to_string()];
        hdf5_source::Config { paths, ..hdf5_source::Config::default() }.build().unwrap()
    };
    let mut group = c.benchmark_group("hdf5");
    group.sample_size(10).throughput(Throughput::Bytes((ROWS * DIM * 4) as u64));
    group.bench_function("plain read", |b| b.iter(|| read_plainly(&contiguous)));
    let file = source(&contiguous);
    group.bench_function("contiguous", |b| b.iter(|| runtime.block_on(read(&*file, 1))));
    let file = source(&gzip);
    for readers in [1, 2] {
        group.bench_function(format!("gzip, readers {readers}"), |b| {
            b.iter(|| runtime.block_on(read(&*file, readers)));
        });
    }
    group.finish();
}

/// A Flat index, or an IVF index with lists of `list_rows`.
fn write_faiss(folder: &Path, name: &str, list_rows: Option<usize>) -> PathBuf {
    let path = folder.join(name);
    let mut out = BufWriter::new(File::create(&path).unwrap());
    let header = |rows: usize| {
        let (dim, rows) = ((DIM as i32).to_le_bytes(), (rows as i64).to_le_bytes());
        [&dim[..], &rows, &[0; 16], &[1], &1i32.to_le_bytes()].concat()
    };
    let bytes: Vec<u8> = values().into_iter().flat_map(f32::to_le_bytes).collect();
    let count = |n: usize| (n as u64).to_le_bytes();
    match list_rows {
        None => {
            let parts = [b"IxF2", &header(ROWS)[..], &count(ROWS * DIM), &bytes];
            parts.iter().for_each(|part| out.write_all(part).unwrap());
        }
        Some(list_rows) => {
            let lists = ROWS / list_rows;
            let quantizer = [b"IxF2", &header(0)[..], &count(0)].concat();
            let head = [b"IwFl", &header(ROWS)[..], &count(lists), &count(1), &quantizer];
            head.iter().for_each(|part| out.write_all(part).unwrap());
            let map = [&[0][..], &count(0), b"ilar", &count(lists), &count(DIM * 4), b"full"];
            map.iter().for_each(|part| out.write_all(part).unwrap());
            out.write_all(&count(lists)).unwrap();
            (0..lists).for_each(|_| out.write_all(&count(list_rows)).unwrap());
            for (list, codes) in bytes.chunks_exact(list_rows * DIM * 4).enumerate() {
                out.write_all(codes).unwrap();
                (0..list_rows)
                    .for_each(|row| out.write_all(&count(list * list_rows + row)).unwrap());
            }
        }
    }
    out.flush().unwrap();
    path
}

fn faiss_files(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut group = c.benchmark_group("faiss");
    group.sample_size(10).throughput(Throughput::Bytes((ROWS * DIM * 4) as u64));
    for (name, list_rows) in
        [("Flat", None), ("IVFFlat", Some(1000)), ("IVFFlat, small lists", Some(20))]
    {
        let path = write_faiss(folder.path(), name, list_rows);
        let paths = vec![path.display().to_string()];
        let file = faiss::Config { paths, ..faiss::Config::default() }.build().unwrap();
        group.bench_function(format!("sum of the mapped bytes, {name}"), |b| {
            b.iter(|| sum_mapped(&path));
        });
        for readers in [1, 2] {
            group.bench_function(format!("{name}, readers {readers}"), |b| {
                b.iter(|| runtime.block_on(read(&*file, readers)));
            });
        }
    }
    group.finish();
}

criterion_group!(source_read, hdf5_files, faiss_files);
criterion_main!(source_read);
