#![no_main]

use vecpipe_fuzz::Target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    Target::named("journal").expect("a target").run(input);
});
