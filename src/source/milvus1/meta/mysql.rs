//! Metadata in MySQL or MariaDB.

use std::net::IpAddr;
use std::path::PathBuf;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, SslOpts};
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
}

/// Whether a connection to MySQL is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MysqlTls {
    /// Where the server can; its certificate is not checked.
    #[default]
    Prefer,
    /// Always, and the server's certificate is checked against the system's.
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

/// Reads both tables.
///
/// # Errors
/// When the server can't be reached, refuses, or has no such tables.
pub async fn read(config: &MysqlConfig) -> Result<(Vec<TableRow>, Vec<FileRow>)> {
    let place = format!("mysql://{}:{}/{}", config.host, config.port, config.database);
    let mut connection = connect(config).await.map_err(|error| error.at(&place))?;
    let read = query(&mut connection).await.map_err(|error| {
        Error::source("Cannot read the metadata")
            .because(error)
            .at(&place)
            .help("name the database that the server's meta_uri names; it has the tables Tables and TableFiles")
    });
    // Whatever was read is read; a server that does not say goodbye is nobody's worry.
    let _ = connection.disconnect().await;
    read
}

impl MysqlConfig {
    /// Settings that contradict each other.
    ///
    /// # Errors
    /// When there are any.
    pub fn check(&self) -> Result<()> {
        Secret::check_once(self.password.as_ref(), self.password_file.as_deref(), PASSWORD)
    }
}

async fn connect(config: &MysqlConfig) -> Result<Conn> {
    let file = config.password_file.as_deref();
    let password = Secret::given(config.password.as_ref(), file, PASSWORD)?;
    let options = |ssl: Option<SslOpts>| -> Opts {
        OptsBuilder::default()
            .ip_or_hostname(config.host.clone())
            .tcp_port(config.port)
            .user(Some(config.user.clone()))
            .pass(password.as_ref().map(|password| password.expose().to_owned()))
            .db_name(Some(config.database.clone()))
            .prefer_socket(false)
            .ssl_opts(ssl)
            .into()
    };
    let unchecked = || {
        SslOpts::default()
            .with_danger_accept_invalid_certs(true)
            .with_danger_skip_domain_validation(true)
    };
    if config.tls == MysqlTls::Prefer && !is_loopback(&config.host) {
        tracing::warn!(
            "The certificate of MySQL at {} is not checked (tls: prefer): whoever sits between can pretend to be it; tls: require checks it",
            config.host
        );
    }
    let first = match config.tls {
        MysqlTls::Prefer => Conn::new(options(Some(unchecked()))).await,
        MysqlTls::Require => Conn::new(options(Some(SslOpts::default()))).await,
        MysqlTls::Off => Conn::new(options(None)).await,
    };
    let connected =
        match first {
            Err(mysql_async::Error::Driver(
                mysql_async::DriverError::NoClientSslFlagFromServer,
            )) if config.tls == MysqlTls::Prefer => Conn::new(options(None)).await,
            other => other,
        };
    connected.map_err(|error| {
        let refused = matches!(&error, mysql_async::Error::Server(_));
        let what = if refused { "MySQL refuses" } else { "Cannot reach MySQL" };
        Error::connect(what).because(error).help(if refused {
            "check user, password and database of source.milvus1.meta.mysql"
        } else {
            "check host and port of source.milvus1.meta.mysql, and that the server runs"
        })
    })
}

/// True for addresses of this machine.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn query(connection: &mut Conn) -> mysql_async::Result<(Vec<TableRow>, Vec<FileRow>)> {
    let tables = connection
        .query_map(
            format!("SELECT {TABLE_COLUMNS} FROM Tables ORDER BY id"),
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
        )
        .await?;
    let files = connection
        .query_map(
            format!("SELECT {FILE_COLUMNS} FROM TableFiles ORDER BY id"),
            |(table_id, segment_id, file_type, row_count)| FileRow {
                table_id,
                segment_id,
                file_type,
                row_count,
            },
        )
        .await?;
    Ok((tables, files))
}
