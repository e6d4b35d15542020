//! `pipeline dump` and `pipeline restore`: from flags to a configuration, which is then run like
//! others.

use std::path::Path;

use clap::ValueEnum;
use serde_json::map::Entry;
use serde_json::{Map, Value, json};

use crate::cli::args::{self, AccessArgs, DumpArgs, LogArgs, RestoreArgs, RunFlags};
use crate::cli::run::{Job, move_rows};
use crate::cli::terminal;
use crate::config::Text;
use crate::error::{Error, Result};

/// The database of collections that are named without one.
const DEFAULT: &str = "default";

/// Dumps collections of a server into a folder.
pub(super) fn dump(args: &DumpArgs, log: &LogArgs) -> Result<u8> {
    let mut milvus = server(&args.uri, &args.access);
    let chosen = collections(&args.collections);
    milvus.insert("databases".to_owned(), databases(&args.databases, chosen.as_ref()));
    set(&mut milvus, "collections", chosen);
    set(&mut milvus, "prepare", args.prepare.then_some(true));
    let config = json!({
        "version": 1,
        "source": { "milvus": milvus },
        "sink": { "parquet": { "dir": literal(&args.dir), "dump": true } },
    });
    go(format!("dump {} {}", args.uri, args.dir), &config, (&args.access, &args.flags), log)
}

/// Makes the collections of a dump again.
pub(super) fn restore(args: &RestoreArgs, log: &LogArgs) -> Result<u8> {
    let mut parquet = Map::new();
    parquet.insert("paths".to_owned(), json!([literal(&args.dir)]));
    parquet.insert("dump".to_owned(), json!(true));
    let databases: Vec<_> = args.databases.iter().map(|name| literal(name)).collect();
    set(&mut parquet, "databases", (!databases.is_empty()).then_some(databases));
    set(&mut parquet, "collections", collections(&args.collections));
    set(&mut parquet, "rename", renames(&args.renames)?);
    let mut milvus = server(&args.uri, &args.access);
    set(&mut milvus, "mode", word(args.mode));
    set(&mut milvus, "on_conflict", word(args.on_conflict));
    // A dump has them, so they come back.
    set(&mut milvus, "aliases", Some(true));
    set(&mut milvus, "load", args.load.then_some(true));
    let config = json!({
        "version": 1,
        "source": { "parquet": parquet },
        "sink": { "milvus": milvus },
    });
    go(format!("restore {} {}", args.dir, args.uri), &config, (&args.access, &args.flags), log)
}

fn go(
    name: String,
    config: &Value,
    (access, flags): (&AccessArgs, &RunFlags),
    log: &LogArgs,
) -> Result<u8> {
    let text = serde_yaml::to_string(config)
        .map_err(|error| Error::internal("The flags can't be written as YAML").because(error))?;
    let text = Text::given("the configuration that these flags stand for", text);
    if access.print_config {
        terminal::print(text.as_str())?;
        return Ok(0);
    }
    args::warn_of_secrets(&access.sets);
    move_rows(Job { name, text: Ok(text), sets: &access.sets, flags }, log)
}

/// What both ends say of a server.
fn server(uri: &str, access: &AccessArgs) -> Map<String, Value> {
    let mut all = Map::new();
    let path = |path: &Path| literal(&path.display().to_string());
    all.insert("uri".to_owned(), json!(literal(uri)));
    set(&mut all, "token_file", access.token_file.as_deref().map(path));
    set(&mut all, "user", access.user.as_deref().map(literal));
    set(&mut all, "password_file", access.password_file.as_deref().map(path));
    let tls = access.ca_file.as_deref().map(|file| json!({ "ca": path(file) }));
    set(&mut all, "tls", tls);
    all
}

fn set(map: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value.into());
    }
}

/// A text in which nothing stands for a variable: the shell has resolved those already.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

fn word(value: impl ValueEnum) -> Option<String> {
    value.to_possible_value().map(|value| value.get_name().to_owned())
}

/// A collection with its database.
fn full(name: &str) -> String {
    match name.contains('/') {
        true => literal(name),
        false => format!("{DEFAULT}/{}", literal(name)),
    }
}

/// The collections that are named, each with its partitions, as a configuration has them.
fn collections(named: &[String]) -> Option<Value> {
    let mut all = Map::new();
    for name in named {
        let name = full(name);
        let mut parts = name.splitn(3, '/');
        let (database, collection) = (parts.next(), parts.next());
        let (Some(database), Some(collection)) = (database, collection) else { continue };
        let partitions = all.entry(format!("{database}/{collection}"));
        match (parts.next(), partitions) {
            // All of it, whatever else is named of it: no partition means every one.
            (None, partitions) => *partitions.or_insert(Value::Null) = json!([]),
            (Some(partition), Entry::Vacant(none)) => drop(none.insert(json!([partition]))),
            (Some(partition), Entry::Occupied(mut some)) => match some.get_mut().as_array_mut() {
                Some(list) if !list.is_empty() => list.push(json!(partition)),
                _ => {}
            },
        }
    }
    (!all.is_empty()).then_some(Value::Object(all))
}

/// The databases to look into: those named, or those of the collections named.
fn databases(named: &[String], collections: Option<&Value>) -> Value {
    let of_collections = collections.and_then(Value::as_object).into_iter().flatten();
    let of_collections = of_collections.filter_map(|(key, _)| Some(key.split_once('/')?.0));
    let mut all: Vec<_> = named.iter().map(|name| literal(name)).collect();
    all.extend(of_collections.map(str::to_owned));
    all.sort();
    all.dedup();
    if all.is_empty() { json!("all") } else { json!(all) }
}

fn renames(pairs: &[String]) -> Result<Option<Value>> {
    let mut all = Map::new();
    for pair in pairs {
        let Some((old, new)) = pair.split_once('=') else {
            return Err(Error::config(format!("`--rename {pair}` has no `=`"))
                .help("write it like --rename default/news=archive/news"));
        };
        if all.insert(full(old), json!(literal(new))).is_some() {
            return Err(Error::config(format!("--rename gives `{old}` two names"))
                .help("restore it twice, each time under one of them"));
        }
    }
    Ok((!all.is_empty()).then_some(Value::Object(all)))
}
