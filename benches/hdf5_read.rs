//! How fast the source `hdf5` reads, beside a plain read of the same bytes: contiguous float32,
//! and gzip with one reader and with two.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::{StreamExt, TryStreamExt};
use vecpipe::flow::{BatchSize, MemoryBudget, ReadContext};
use vecpipe::source::hdf5::Config;
use vecpipe::source::{Columns, SourceFactory};

const DIM: usize = 128;
const BATCH_BYTES: usize = 8 << 20;

fn write(folder: &Path, name: &str, rows: usize, gzip: bool) -> PathBuf {
    let path = folder.join(name);
    let file = hdf5::File::create(&path).unwrap();
    let builder = file.new_dataset::<f32>().shape((rows, DIM));
    let builder = if gzip { builder.chunk((2048, DIM)).deflate(1) } else { builder };
    let dataset = builder.create("embeddings").unwrap();
    // Few distinct values, so that gzip has something to do and something to win.
    let values: Vec<f32> =
        (0..rows * DIM).map(|n| ((n * 7919) % 1021) as f32 / 512.0 - 1.0).collect();
    dataset.as_writer().write_raw(&values).unwrap();
    path
}

/// Reads everything and drops it, as a target that takes no time would.
async fn read(path: &Path, readers: usize) -> u64 {
    let config = Config { paths: vec![path.display().to_string()], ..Config::default() };
    let source = config.build().unwrap();
    let table = source.tables().await.unwrap().remove(0);
    let batch_size = BatchSize { rows: usize::MAX, bytes: BATCH_BYTES };
    let cx = ReadContext::new(MemoryBudget::new(512 << 20), batch_size, readers).unwrap();
    let (source, table, cx) = (&*source, &table, &cx);
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

fn benches(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let rows = 400_000;
    let contiguous = write(folder.path(), "contiguous.h5", rows, false);
    let gzip = write(folder.path(), "gzip.h5", rows, true);
    let mut group = c.benchmark_group("hdf5");
    group.sample_size(10).throughput(Throughput::Bytes((rows * DIM * 4) as u64));
    group.bench_function("plain read", |b| b.iter(|| read_plainly(&contiguous)));
    group.bench_function("contiguous", |b| b.iter(|| runtime.block_on(read(&contiguous, 1))));
    for readers in [1, 2] {
        group.bench_function(format!("gzip, readers {readers}"), |b| {
            b.iter(|| runtime.block_on(read(&gzip, readers)));
        });
    }
    group.finish();
}

criterion_group!(hdf5_read, benches);
criterion_main!(hdf5_read);
