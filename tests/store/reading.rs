//! Objects that are read here and there.

use std::io::Read;
use std::sync::Arc;

use arrow::datatypes::Float32Type;
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Float32Array, Int64Array};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{ChunkReader, Length};
use vecpipe::store::{Place, Reader};

use crate::common::rows::{batch, vectors, write_parquet};
use crate::common::s3::{folder, place};

fn object(name: &str, content: &[u8]) -> Place {
    let place = place(&folder("reading")).join(name);
    place.replace(content).unwrap();
    place
}

#[test]
fn every_stretch_of_an_object_is_as_it_was_written() {
    let content: Vec<u8> = (0..3_000_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let reader = object("numbers", &content).open().unwrap();
    assert_eq!(reader.len(), content.len() as u64);
    let mut state = 7u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut places = [0; 5];
    for _ in 0..400 {
        // Five places that go forward, as columns do, and now and then a jump.
        let column = random(places.len());
        if random(10) == 0 {
            places[column] = random(content.len());
        }
        let start = places[column];
        let length = random(300_000).min(content.len() - start);
        let got = reader.get_bytes(start as u64, length).unwrap();
        assert!(got == content[start..start + length], "{start} {length}");
        let mut read_on = Vec::new();
        let most = random(2_000);
        reader.get_read(start as u64).unwrap().take(most as u64).read_to_end(&mut read_on).unwrap();
        assert!(read_on == content[start..content.len().min(start + most)], "{start} {most}");
        places[column] = start + length;
    }
    for (start, length) in [(content.len(), 1), (content.len() - 1, 2), (usize::MAX, 9)] {
        assert!(reader.get_bytes(start as u64, length).is_err(), "{start} {length}");
    }
    assert!(reader.get_bytes(content.len() as u64, 0).unwrap().is_empty());
}

#[test]
fn an_object_that_is_replaced_meanwhile_is_not_read_on() {
    let place = object("replaced", &vec![1; 2 << 20]);
    let reader = place.open().unwrap();
    assert_eq!(reader.get_bytes(0, 3).unwrap(), &[1, 1, 1][..]);
    place.replace(&vec![2; 2 << 20]).unwrap();
    assert!(reader.get_bytes(1 << 20, 3).is_err());
    let failure = reader.failure().unwrap().to_string();
    assert!(failure.contains("The object changed while it was read"), "{failure}");
}

fn parquet_file(place: &Place, rows: usize, dim: usize) {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    let values = Float32Array::from_iter_values((0..rows * dim).map(|n| n as f32));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    write_parquet(&path, &batch(vec![("id", ids), ("v", vectors(dim, Arc::new(values)))]), 16_384);
    place.replace(&std::fs::read(path).unwrap()).unwrap();
}

fn requests(reader: &Reader) -> u64 {
    match reader {
        Reader::Remote(object) => object.requests(),
        Reader::Local(..) => 0,
    }
}

/// 51 MB in 7 row groups come in requests of up to 4 MiB; one column of it costs much less.
#[test]
fn a_parquet_file_is_read_with_few_requests() {
    let place = place(&folder("parquet")).join("a.parquet");
    let (rows, dim) = (100_000, 128);
    parquet_file(&place, rows, dim);
    let reader = place.open().unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(reader.clone()).unwrap();
    let mut next = 0f32;
    for batch in builder.with_batch_size(16_384).build().unwrap() {
        let batch = batch.unwrap();
        let values = batch.column(1).as_fixed_size_list().values().clone();
        for value in values.as_primitive::<Float32Type>().values() {
            assert_eq!(*value, next);
            next += 1.;
        }
    }
    assert_eq!(next, (rows * dim) as f32);
    println!("{} requests for all of {} bytes", requests(&reader), reader.len());
    assert!(requests(&reader) <= 30, "{} requests", requests(&reader));
    let reader = place.open().unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(reader.clone()).unwrap();
    let mask = parquet::arrow::ProjectionMask::roots(builder.parquet_schema(), [0]);
    let ids = builder.with_projection(mask).build().unwrap();
    assert_eq!(ids.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), rows);
    println!("{} requests for the ids", requests(&reader));
    assert!(requests(&reader) <= 12, "{} requests", requests(&reader));
}
