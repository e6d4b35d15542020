#![no_main]

use vecpipe_fuzz::Target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    Target::named("config").expect("a target").run(input);
});
