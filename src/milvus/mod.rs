//! Milvus clients. They speak a server's protocol and know nothing of pipelines.

pub mod inspect;
pub mod v2;
