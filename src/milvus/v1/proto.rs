//! Generated from `schemas/proto/milvus1.proto`: messages only.

#![allow(missing_docs, clippy::all, clippy::pedantic, unused_qualifications)]

tonic::include_proto!("milvus.grpc");
