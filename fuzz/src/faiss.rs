//! A Faiss index file.

use serde_json::json;

use super::rows;

pub fn read(input: &[u8]) -> bool {
    let path = rows::folder("faiss").join("fuzz.index");
    std::fs::write(&path, input).expect("room for the file");
    rows::read("faiss", json!({ "paths": [path], "lossy": "allow" }))
}
