//! From a file, flags and the environment to a checked configuration.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::config::diagnostic::{Problem, Texts};
use crate::config::env::{self, Lookup};
use crate::config::milvusdm::{self, Task};
use crate::config::set::Override;
use crate::config::tree::{Location, Origin};
use crate::config::{Config, check, de, yaml};
use crate::error::{Error, Result};
use crate::milvus::Generation;

/// Bytes that a configuration file may have.
const MAX_FILE: u64 = 4 << 20;

/// A configuration, and how it was written.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says, in the native form.
    pub config: Config,
    /// The form that it was written in.
    pub form: Form,
    /// What was read but makes no difference, and why.
    pub notes: Vec<String>,
}

/// The form of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// vecpipe's own.
    Native,
    /// MilvusDM's.
    MilvusDm(Task),
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Form::Native => f.write_str("native"),
            Form::MilvusDm(task) => write!(f, "MilvusDM, {}", task.key()),
        }
    }
}

/// The text of a configuration, not understood yet.
#[derive(Debug, Clone)]
pub struct Text {
    /// What errors call it.
    name: String,
    text: String,
}

impl Text {
    /// A text that was put together; `name` is what errors call it.
    pub fn given(name: impl Into<String>, text: impl Into<String>) -> Text {
        Text { name: name.into(), text: text.into() }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads a file; `-` is standard input.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) when it can't be read, or is no text.
    pub fn read(path: &Path) -> Result<Text> {
        let (name, bytes) = if path == Path::new("-") {
            ("standard input".to_owned(), read_bytes(io::stdin().lock()))
        } else {
            (path.display().to_string(), File::open(path).and_then(read_bytes))
        };
        let bytes = bytes.map_err(|error| {
            let missing = error.kind() == io::ErrorKind::NotFound;
            let failed = Error::config("Cannot read the configuration").because(error).at(&name);
            if missing { failed.help("check the path; `-` reads standard input") } else { failed }
        })?;
        let text = decode(&bytes).map_err(|error| error.at(&name))?.to_owned();
        Ok(Text { name, text })
    }

    /// Checks the configuration. Each of `sets` is a `key.path=value` that wins over the file. A
    /// file in MilvusDM's form is read for a destination of this generation.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config), with the place and the line that is wrong.
    pub fn parse(&self, sets: &[String], destination: Generation) -> Result<Loaded> {
        let environment: Lookup<'_> = &|name| std::env::var(name).ok();
        parse(&self.text, &self.name, sets, environment, destination)
    }
}

/// Checks a configuration that is in memory. `name` is what errors call it; `env` looks up
/// environment variables.
///
/// # Errors
/// As [`Text::parse`].
pub fn parse(
    text: &str,
    name: &str,
    sets: &[String],
    env: Lookup<'_>,
    destination: Generation,
) -> Result<Loaded> {
    let texts = Texts { name, file: text, sets };
    understand(text, sets, env, destination).map_err(|problem| texts.error(problem))
}

fn understand(
    text: &str,
    sets: &[String],
    env: Lookup<'_>,
    destination: Generation,
) -> Result<Loaded, Problem> {
    let start = Location { origin: Origin::File, line: 1, column: 1, width: 1 };
    let Some(mut root) = yaml::parse(text, Origin::File)? else {
        return Err(Problem::new("The configuration is empty", start).help(EXAMPLE));
    };
    if root.entries().is_empty() {
        let what =
            format!("Expected a map with `version`, `source` and `sink`, found {}", root.sort());
        return Err(Problem::new(what, root.at).help(EXAMPLE));
    }
    let sets = sets.iter().enumerate().map(|(n, set)| Override::parse(set, n));
    let mut sets: Vec<Override<'_>> = sets.collect::<Result<_, _>>()?;

    let mut form = Form::Native;
    let mut notes = Vec::new();
    if let Some(task) = Task::of(&root)? {
        // Flags that name MilvusDM's keys change its file; others change what it is translated to.
        let (own, native): (Vec<_>, Vec<_>) =
            sets.into_iter().partition(|set| set.first_key() == task.key());
        own.into_iter().try_for_each(|set| set.apply(&mut root))?;
        env::resolve(&mut root, env)?;
        (root, notes) = milvusdm::translate(task, &root, destination)?;
        form = Form::MilvusDm(task);
        sets = native;
        for set in &mut sets {
            env::resolve(set.value_mut(), env)?;
            // Whoever writes the flag need not know what the destination is.
            set.rename_sink(destination);
        }
        sets.into_iter().try_for_each(|set| set.apply(&mut root))?;
    } else {
        sets.into_iter().try_for_each(|set| set.apply(&mut root))?;
        env::resolve(&mut root, env)?;
    }
    check::version(&root)?;
    let config: Config = de::from_node(&root)?;
    check::values(&config, &root)?;
    Ok(Loaded { config, form, notes })
}

const EXAMPLE: &str = "a configuration names a source and a sink:
    version: 1
    source: { hdf5: { paths: [vectors.h5] } }
    sink: { milvus: { uri: http://127.0.0.1:19530, collection: test } }";

fn read_bytes(input: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    input.take(MAX_FILE + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!(
            "it is larger than {} MiB; is this a configuration file?",
            MAX_FILE >> 20
        )));
    }
    Ok(text)
}

fn decode(bytes: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        Error::config(format!("The configuration is not UTF-8 text (line {line})"))
            .help("save it as UTF-8; is this a configuration file?")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}
