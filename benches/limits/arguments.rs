//! Words of the form KEY=VALUE.

use std::collections::HashMap;
use std::fmt::Debug;
use std::str::FromStr;

/// The words of the command line behind the name.
pub struct Arguments(HashMap<String, String>);

impl Arguments {
    /// The name of a limit and its words; none when the first word is none of ours.
    pub fn of_command_line() -> Option<(String, Arguments)> {
        let mut words = std::env::args().skip(1);
        let name = words.next().filter(|name| !name.starts_with('-'))?;
        let pair = |word: String| {
            let (key, value) = word.split_once('=').expect("words are KEY=VALUE");
            (key.to_owned(), value.to_owned())
        };
        Some((name, Arguments(words.map(pair).collect())))
    }

    /// A value that must be there.
    pub fn get<T: FromStr<Err: Debug>>(&self, key: &str) -> T {
        let value = self.0.get(key).unwrap_or_else(|| panic!("{key}= is missing"));
        value.parse().unwrap_or_else(|error| panic!("{key}={value}: {error:?}"))
    }
}
