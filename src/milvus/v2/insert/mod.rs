//! Record batches to insert requests, without copying vectors.
//!
//! A packed `repeated float` is, on the wire, the little-endian memory of an Arrow buffer, and the
//! other vector types are plain bytes. So the lengths of the nested messages are written by hand
//! (`frames`) and the buffer itself is handed to HTTP/2 behind them (`send`).

mod column;
mod frames;
mod send;

pub use column::InsertColumn;
pub use frames::InsertHead;
pub use send::Verb;
