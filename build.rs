//! Turns the project's .proto files into Rust, without a protoc binary.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=schemas/proto");
    let files = protox::compile(["milvus.proto", "milvus1.proto"], ["schemas/proto"])?;
    tonic_prost_build::configure()
        // Requests go through src/milvus/connection/call.rs: only messages are needed.
        .build_client(false)
        .build_server(false)
        .build_transport(false)
        .bytes(".")
        .emit_rerun_if_changed(false)
        .compile_fds(files)?;
    Ok(())
}
