//! Metadata in MySQL or MariaDB.

mod connect;

use std::path::PathBuf;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Row};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FILE_COLUMNS, FileRow, TABLE_COLUMNS, TableRow};
use crate::config::Secret;
use crate::error::{Error, Result};

const PASSWORD: &str = "source.milvus1.meta.mysql.password";

/// The database of a server's metadata.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MysqlConfig {
    /// Host.
    #[serde(default = "default_host")]
    pub host: String,
    /// Port.
    #[serde(default = "default_port")]
    pub port: u16,
    /// User.
    pub user: String,
    /// The user's password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// A file that holds the password, instead.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Database.
    #[serde(default = "default_database")]
    pub database: String,
    /// Whether the connection is encrypted: `prefer` where the server can, `require`, `off`.
    #[serde(default)]
    pub tls: MysqlTls,
    /// Certificate authority that signed the server's certificate, a PEM file (with `tls: require`).
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

/// Whether a connection to MySQL is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MysqlTls {
    /// Where the server can; its certificate is not checked.
    #[default]
    Prefer,
    /// Always, and the server's certificate must be signed by `ca`, or by a well-known authority, and
    /// name the host.
    Require,
    /// Never.
    Off,
}

fn default_host() -> String {
    "127.0.0.1".to_owned()
}

fn default_port() -> u16 {
    3306
}

fn default_database() -> String {
    "milvus".to_owned()
}

impl MysqlConfig {
    /// The database, as messages name it.
    pub fn place(&self) -> String {
        format!("mysql://{}:{}/{}", self.host, self.port, self.database)
    }

    /// Checks what can be checked without the server.
    ///
    /// # Errors
    /// When settings contradict each other.
    pub fn check(&self) -> Result<()> {
        if self.ca.is_some() && self.tls != MysqlTls::Require {
            return Err(Error::config("`ca` has no effect: no certificate is checked")
                .at("source.milvus1.meta.mysql")
                .help("set `tls: require`, or leave out `ca`"));
        }
        Secret::check_once(self.password.as_ref(), self.password_file.as_deref(), PASSWORD)
    }

    /// The password, wherever it is given.
    fn password(&self) -> Result<Option<Secret>> {
        Secret::given(self.password.as_ref(), self.password_file.as_deref(), PASSWORD)
    }
}

/// Reads both tables.
///
/// # Errors
/// When the server can't be reached, refuses, or has no such tables.
pub async fn read(config: &MysqlConfig) -> Result<(Vec<TableRow>, Vec<FileRow>)> {
    let place = config.place();
    let mut connection = connect::connect(config).await.map_err(|error| error.at(&place))?;
    let read = query(&mut connection).await.map_err(|error| error.at(&place));
    // Whatever was read is read; a server that does not say goodbye is nobody's worry.
    let _ = connection.disconnect().await;
    read
}

async fn query(connection: &mut Conn) -> Result<(Vec<TableRow>, Vec<FileRow>)> {
    let tables = rows(connection, "Tables", TABLE_COLUMNS).await?;
    let tables = tables.into_iter().map(
        |(table_id, state, dimension, metric_type, owner, tag, version, flush_lsn)| TableRow {
            table_id,
            state,
            dimension,
            metric_type,
            owner,
            tag,
            version,
            flush_lsn: i64::cast_unsigned(flush_lsn),
        },
    );
    let tables = tables.collect();
    let files = rows(connection, "TableFiles", FILE_COLUMNS).await?;
    let files = files.into_iter().map(|(table_id, segment_id, file_type, row_count)| FileRow {
        table_id,
        segment_id,
        file_type,
        row_count,
    });
    Ok((tables, files.collect()))
}

/// The rows of `table`, in the order of their ids.
async fn rows<T: FromRow>(connection: &mut Conn, table: &str, columns: &str) -> Result<Vec<T>> {
    let rows: Vec<Row> = connection
        .query(format!("SELECT {columns} FROM {table} ORDER BY id"))
        .await
        .map_err(|error| {
            Error::source("Cannot read the metadata").because(error).help(
                "name the database that the server's meta_uri names; it has the tables Tables and TableFiles",
            )
        })?;
    let read = |(n, row): (usize, Row)| {
        T::from_row_opt(row).map_err(|_| {
            Error::source(format!("Row {n} of {table} holds no values of a Milvus server"))
                .help(format!("its columns {columns} are texts and integers, none of them null"))
        })
    };
    rows.into_iter().enumerate().map(read).collect()
}
