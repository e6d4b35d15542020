//! Milvus clients.
