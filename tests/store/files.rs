//! Small files, uploads, names.

use std::io::Write;

use vecpipe::store::{Entry, Place};

use crate::common::python::python;
use crate::common::s3::{S3, folder, objects, place};

fn names(place: &Place) -> Vec<Entry> {
    let mut entries = place.entries().unwrap();
    entries.sort();
    entries
}

fn entry(name: &str, is_folder: bool) -> Entry {
    Entry { name: name.to_owned(), is_folder }
}

/// The same steps in a folder of this machine and in a store, with the same outcome.
fn small_files(place: &Place) {
    assert!(place.facts().unwrap().is_none());
    assert_eq!(place.entries().unwrap(), []);
    assert!(place.join("a").read(10).unwrap().is_none());
    let odd = "größe %2F+a b=&#?~.txt";
    place.join("sub").make_folder().unwrap();
    for name in ["a", odd] {
        place.join(name).replace(b"one").unwrap();
        place.join(name).replace(b"three").unwrap();
        assert_eq!(place.join(name).read(5).unwrap().unwrap(), b"three");
        assert!(place.join(name).read(4).unwrap_err().to_string().contains("more than 4 bytes"));
    }
    place.join("sub").join("b").replace(b"").unwrap();
    assert_eq!(names(place), [entry("a", false), entry(odd, false), entry("sub", true)]);
    let facts = place.join("a").facts().unwrap().unwrap();
    assert_eq!((facts.bytes, facts.is_folder), (5, false));
    assert!(place.join("sub").facts().unwrap().unwrap().is_folder);
    place.join("a").replace(b"other").unwrap();
    assert_ne!(place.join("a").facts().unwrap().unwrap().stamp, facts.stamp);
    place.join(odd).remove().unwrap();
    place.join(odd).remove().unwrap();
    assert_eq!(names(place), [entry("a", false), entry("sub", true)]);
}

#[test]
fn small_files_in_a_store() {
    small_files(&place(&folder("small_files")));
}

#[test]
fn small_files_in_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    small_files(&Place::Local(dir.path().join("new")));
}

/// Bytes that differ from place to place.
fn bytes(len: usize) -> Vec<u8> {
    (0..len as u64)
        .flat_map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_le_bytes())
        .take(len)
        .collect()
}

/// Uploads below an address that were begun, and neither ended nor given up.
fn uploads(below: &str) -> usize {
    let S3 { endpoint, key, secret } = S3::get();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/store/uploads.py");
    let prefix = below.strip_prefix("s3://vecpipe/").unwrap();
    python([script, &endpoint, &key, &secret, "vecpipe", prefix]).trim().parse().unwrap()
}

#[test]
fn an_upload_is_seen_when_it_is_whole_and_leaves_nothing_when_it_is_given_up() {
    let address = folder("upload");
    let place = place(&address);
    // Less than a chunk, exactly one, and several with a rest.
    for (name, len) in [("empty", 0), ("small", 1000), ("one", 8 << 20), ("many", 25 << 20)] {
        let content = bytes(len);
        let mut file = place.create(".hidden", name).unwrap();
        for piece in content.chunks(1_000_003) {
            file.write_all(piece).unwrap();
        }
        assert!(!objects(&place).contains_key(&place.join(name).to_string()), "{name}");
        assert_eq!(file.finish().unwrap(), len as u64);
        drop(file);
        assert!(objects(&place)[&place.join(name).to_string()] == content, "{name}");
    }
    assert_eq!(uploads(&address), 0);
    for len in [1000, 25 << 20] {
        let mut file = place.create(".hidden", "given up").unwrap();
        file.write_all(&bytes(len)).unwrap();
        assert_eq!(uploads(&address), usize::from(len > 1000));
        drop(file);
        assert_eq!(uploads(&address), 0);
    }
    assert_eq!(objects(&place).len(), 4);
    // The new object takes the place of the old one.
    let mut file = place.create(".hidden", "many").unwrap();
    file.write_all(b"new").unwrap();
    file.finish().unwrap();
    assert_eq!(place.join("many").read(10).unwrap().unwrap(), b"new");
}
