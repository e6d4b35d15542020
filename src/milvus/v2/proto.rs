//! Generated from `schemas/proto`: messages only.

#![allow(missing_docs, clippy::all, clippy::pedantic, unused_qualifications)]

/// Package `milvus.proto.common`.
pub mod common {
    tonic::include_proto!("milvus.proto.common");
}

/// Package `milvus.proto.schema`.
pub mod schema {
    tonic::include_proto!("milvus.proto.schema");
}

/// Package `milvus.proto.milvus`.
pub mod milvus {
    tonic::include_proto!("milvus.proto.milvus");
}
