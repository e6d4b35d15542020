//! Flags of `pipeline dump` and `pipeline restore`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::RunFlags;

/// Flags of `pipeline dump`.
#[derive(Debug, Clone, Args)]
pub struct DumpArgs {
    /// Address of the Milvus 2.x, like http://127.0.0.1:19530
    #[arg(value_name = "URI", value_hint = ValueHint::Url)]
    pub uri: String,
    /// Folder that the dump goes to, or a place like s3://bucket/folder; must hold none yet
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: String,
    /// Dump this database; may be given several times [default: all]
    #[arg(long = "database", value_name = "NAME")]
    pub databases: Vec<String>,
    /// Dump this collection, or this partition of it; may be given several times [default: all].
    /// Without a database, it is one of `default`
    #[arg(long = "collection", value_name = "[DATABASE/]NAME")]
    pub collections: Vec<String>,
    /// Make an index, for the time it takes, on collections that can't be read for want of one
    #[arg(long)]
    pub prepare: bool,
    /// How the server is reached.
    #[command(flatten)]
    pub access: AccessArgs,
    /// How it is run.
    #[command(flatten)]
    pub flags: RunFlags,
}

/// Flags of `pipeline restore`.
#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// Folder of the dump, or a place like s3://bucket/folder
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: String,
    /// Address of the Milvus 2.x, like http://127.0.0.1:19530
    #[arg(value_name = "URI", value_hint = ValueHint::Url)]
    pub uri: String,
    /// Restore this database; may be given several times [default: all]
    #[arg(long = "database", value_name = "NAME")]
    pub databases: Vec<String>,
    /// Restore this collection; may be given several times [default: all]. Without a database, it is
    /// one of `default`
    #[arg(long = "collection", value_name = "[DATABASE/]NAME")]
    pub collections: Vec<String>,
    /// Restore a collection under another name, or in another database; may be given several times
    #[arg(long = "rename", value_name = "[DATABASE/]OLD=[DATABASE/]NEW")]
    pub renames: Vec<String>,
    /// What happens to a collection that exists already
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    pub mode: ModeArg,
    /// What happens to a row whose id the collection holds already
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub on_conflict: ConflictArg,
    /// Load the collections when their rows are there, so that they can be searched
    #[arg(long)]
    pub load: bool,
    /// How the server is reached.
    #[command(flatten)]
    pub access: AccessArgs,
    /// How it is run.
    #[command(flatten)]
    pub flags: RunFlags,
}

/// How a server is reached, and what is set beyond the flags.
#[derive(Debug, Clone, Args)]
pub struct AccessArgs {
    /// File that holds the token, or `user:password`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
    /// User, instead of a token
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub user: Option<String>,
    /// File that holds the user's password
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "user")]
    pub password_file: Option<PathBuf>,
    /// Certificate authority that signed the server's certificate (PEM)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca_file: Option<PathBuf>,
    /// Set any other value of the configuration that --print-config shows; may be given several
    /// times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Print the configuration that these flags stand for, which `pipeline run` and `pipeline plan`
    /// take, and do nothing else
    #[arg(long)]
    pub print_config: bool,
}

/// What happens to a collection that exists already, as it is typed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// Rows are added to it
    #[default]
    Append,
    /// It is left alone
    Skip,
    /// Its rows are replaced
    Overwrite,
}

/// What happens to a row whose id is there already, as it is typed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ConflictArg {
    /// Nothing is restored at all
    #[default]
    Fail,
    /// It is left out
    Skip,
    /// It replaces the one that is there
    Upsert,
    /// It is added beside it
    Insert,
}
