//! A line that breaks: what is written and read over it is whole.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parquet::file::reader::ChunkReader;
use serde_json::json;

use crate::common::s3::{S3, folder, place, stores};

/// Bytes after which connections are cut, in either direction, by turns: the second lets a chunk pass.
const CUTS: [u64; 2] = [1 << 20, 12 << 20];

/// The address of a line to the server whose connections are all cut off at some point, and how many
/// were.
fn line() -> (String, Arc<AtomicU32>) {
    let cuts = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&cuts);
    let endpoint = S3::get().endpoint;
    let (scheme, host) = endpoint.split_once("://").unwrap();
    let (host, listener) = (host.to_owned(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = format!("{scheme}://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (n, near) in listener.incoming().enumerate() {
            let (near, far) = (near.unwrap(), TcpStream::connect(&host).unwrap());
            let most = CUTS[n % 2];
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let count = Arc::clone(&count);
                std::thread::spawn(move || pass_on(from, to, most, &count));
            }
        }
    });
    (address, cuts)
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, most: u64, cuts: &AtomicU32) {
    let (mut buffer, mut passed) = ([0; 16 << 10], 0);
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        passed += n as u64;
        if passed > most {
            cuts.fetch_add(1, Ordering::Relaxed);
        }
        if passed > most || to.write_all(&buffer[..n]).is_err() {
            let _ = from.shutdown(Shutdown::Both);
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn requests_that_are_cut_off_are_repeated() {
    let content: Vec<u8> = (0..5_000_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let address = folder("cut");
    let mut storage = S3::get().storage();
    let (endpoint, cuts) = line();
    storage["aws_endpoint"] = json!(endpoint);
    let over_the_line = stores(storage).place(&address).unwrap();
    let mut file = over_the_line.create("hidden", "object").unwrap();
    file.write_all(&content).unwrap();
    file.finish().unwrap();
    let object = place(&address).join("object");
    assert!(object.read(1 << 30).unwrap().unwrap() == content);
    let reader = over_the_line.join("object").open().unwrap();
    for (n, piece) in content.chunks(1_000_000).enumerate() {
        let got = reader.get_bytes(n as u64 * 1_000_000, piece.len()).unwrap();
        assert!(got == piece, "from byte {n},000,000 on");
    }
    assert!(cuts.load(Ordering::Relaxed) > 3, "{cuts:?}");
}
