//! Parquet files as a source and as a sink.

mod python;
mod sink;
mod source;
mod support;
