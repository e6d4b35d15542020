//! Names that hold the id of a run.

/// The name with `RUN` in the place of the id of the run, where it holds one.
pub fn without_run(name: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let parts = name.split_inclusive(|c| !is_digit(c)).map(|part| {
        let digits = part.trim_end_matches(|c| !is_digit(c));
        match digits.len() {
            16 => part.replacen(digits, "RUN", 1),
            _ => part.to_owned(),
        }
    });
    parts.collect()
}
