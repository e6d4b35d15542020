//! The binary `pipeline`: a thin shell around the library.

fn main() {}
