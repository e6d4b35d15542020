//! Configurations in both forms. What comes after a NUL is a `--set` flag.

use vecpipe::Kind;
use vecpipe::config::parse;
use vecpipe::milvus::Generation;

/// What all environment variables hold.
const SECRET: &str = "hunter2-5d41402a";

pub fn read(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let mut parts = text.split('\0');
    let file = parts.next().unwrap_or_default();
    let sets: Vec<String> = parts.take(8).map(str::to_owned).collect();
    let env = |name: &str| (!name.starts_with("UNSET")).then(|| SECRET.to_owned());
    let destination = if file.len() % 2 == 0 { Generation::One } else { Generation::Two };
    match parse(file, "fuzz.yaml", &sets, &env, destination) {
        Ok(loaded) => {
            // What goes into the journal.
            let identity = vecpipe::identity(&loaded.config).expect("settings can be written down");
            std::hint::black_box(identity.file_stem());
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), Kind::Config, "{error}");
            // An error shows what was written, never what a variable holds.
            let told = error.to_string();
            assert!(text.contains(SECRET) || !told.contains(SECRET), "{told}");
            false
        }
    }
}
