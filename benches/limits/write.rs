//! Batches that were there before, written to files by the bare writers.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::datatypes::{Float32Type, Int64Type};
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use ndarray::ArrayView2;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::arguments::Arguments;
use crate::clock::{Clock, Measured};
use crate::datasets::RowsOfFile;

/// As much as a batch of vecpipe's has that becomes a row group.
const BATCH_BYTES: usize = 8 << 20;
/// Batches that differ: more than a processor's cache holds.
const DIFFERENT: usize = 16;

/// `parquet path=HDF5-FILE out=FOLDER threads=N`: zstd 1, without what costs time and says nothing of vectors; each
/// thread a file of its own. Durable when the clock stops.
pub fn parquet(arguments: &Arguments) -> Measured {
    let (out, threads): (PathBuf, usize) = (arguments.get("out"), arguments.get("threads"));
    let batches = batches(&arguments.get::<PathBuf>("path"));
    std::fs::create_dir_all(&out).unwrap();
    let vectors = ColumnPath::new(vec!["vector".into(), "list".into(), "item".into()]);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap()))
        .set_dictionary_enabled(false)
        .set_column_statistics_enabled(vectors, EnabledStatistics::None)
        .set_column_encoding(ColumnPath::from("id"), Encoding::DELTA_BINARY_PACKED)
        .build();
    let clock = Clock::start();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (batches, properties) = (&batches, properties.clone());
            let file = File::create(out.join(format!("{thread}.parquet"))).unwrap();
            scope.spawn(move || {
                let mut writer =
                    ArrowWriter::try_new(file, batches[0].schema(), Some(properties)).unwrap();
                for batch in batches.iter().skip(thread).step_by(threads) {
                    writer.write(batch).unwrap();
                    // A row group a batch costs least: what is encoded need not wait in memory.
                    writer.flush().unwrap();
                }
                writer.into_inner().unwrap().sync_all().unwrap();
            });
        }
    });
    stop(clock, &batches)
}

/// `hdf5 path=HDF5-FILE out=FILE`: two datasets without chunks, by libhdf5, which has one lock for all. Durable when
/// the clock stops.
pub fn hdf5(arguments: &Arguments) -> Measured {
    let out: PathBuf = arguments.get("out");
    let batches = batches(&arguments.get::<PathBuf>("path"));
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let dim = usize::try_from(batches[0].column(1).as_fixed_size_list().value_length()).unwrap();
    let clock = Clock::start();
    let file = hdf5::File::create(&out).unwrap();
    let ids = file.new_dataset::<i64>().shape(rows).create("ids").unwrap();
    let vectors = file.new_dataset::<f32>().shape((rows, dim)).create("embeddings").unwrap();
    let mut row = 0;
    for batch in &batches {
        let end = row + batch.num_rows();
        let numbers = batch.column(0).as_primitive::<Int64Type>().values();
        ids.write_slice(&numbers[..], row..end).unwrap();
        let list = batch.column(1).as_fixed_size_list().values();
        let values = list.as_primitive::<Float32Type>().values();
        let values = ArrayView2::from_shape((end - row, dim), &values[..]).unwrap();
        vectors.write_slice(values, (row..end, ..)).unwrap();
        row = end;
    }
    drop((ids, vectors));
    file.close().unwrap();
    File::open(&out).unwrap().sync_all().unwrap();
    stop(clock, &batches)
}

fn stop(clock: Clock, batches: &[RecordBatch]) -> Measured {
    let rows: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let dim = batches[0].column(1).as_fixed_size_list().value_length();
    clock.stop(rows, rows * (8 + 4 * u64::from(dim.unsigned_abs())))
}

/// As many rows as a file with the datasets `embeddings` and `ids` has, in batches; the first ones again and again. Memory
/// for all of them would take what a file's pages could lie in, and is slow to come on a virtual machine.
fn batches(path: &Path) -> Vec<RecordBatch> {
    let file = RowsOfFile::open(path);
    let RowsOfFile { rows, dim, .. } = file;
    let at_once = (BATCH_BYTES / (dim * size_of::<f32>() + size_of::<i64>())).max(1);
    let read = |number: usize| file.read(number * at_once..rows.min((number + 1) * at_once));
    // The last one has fewer rows, and is not repeated.
    let whole: Vec<_> = (0..DIFFERENT.min(rows / at_once)).map(read).collect();
    let all = (0..rows / at_once).map(|number| whole[number % whole.len()].clone());
    let rest = (rows % at_once > 0).then(|| read(rows / at_once));
    all.chain(rest).collect()
}
