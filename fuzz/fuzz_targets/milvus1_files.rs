#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| vecpipe_fuzz::run("milvus1_files", input));
