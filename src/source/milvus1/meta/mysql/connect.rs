//! Reaching the server, encrypted or not, and saying why that fails.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use mysql_async::{Conn, DriverError, IoError, Opts, OptsBuilder, SslOpts};

use super::{MysqlConfig, MysqlTls};
use crate::error::{Error, Result};

/// What listens there may be no MySQL at all, and wait for us to begin.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connects as configured.
///
/// # Errors
/// When the server can't be reached or refuses (exit code 3), or `ca` can't be read.
pub(super) async fn connect(config: &MysqlConfig) -> Result<Conn> {
    let ssl = match config.tls {
        MysqlTls::Prefer => Some(
            SslOpts::default()
                .with_danger_accept_invalid_certs(true)
                .with_danger_skip_domain_validation(true),
        ),
        MysqlTls::Require => Some(match &config.ca {
            Some(ca) => SslOpts::default()
                .with_root_certs(vec![read_ca(ca)?.into()])
                .with_disable_built_in_roots(true),
            None => SslOpts::default(),
        }),
        MysqlTls::Off => None,
    };
    if config.tls == MysqlTls::Prefer && !is_loopback(&config.host) {
        tracing::warn!(
            "The certificate of MySQL at {} is not checked (tls: prefer): whoever sits between can pretend to be it; tls: require checks it",
            config.host
        );
    }
    let first = attempt(config, ssl).await?;
    let connected = match first {
        Err(mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer))
            if config.tls == MysqlTls::Prefer =>
        {
            attempt(config, None).await?
        }
        other => other,
    };
    connected.map_err(|error| explain(config, error))
}

async fn attempt(
    config: &MysqlConfig,
    ssl: Option<SslOpts>,
) -> Result<std::result::Result<Conn, mysql_async::Error>> {
    let options: Opts = OptsBuilder::default()
        .ip_or_hostname(config.host.clone())
        .tcp_port(config.port)
        .user(Some(config.user.clone()))
        .pass(config.password()?.map(|password| password.expose().to_owned()))
        .db_name(Some(config.database.clone()))
        .prefer_socket(false)
        .ssl_opts(ssl)
        .into();
    tokio::time::timeout(PATIENCE, Conn::new(options)).await.map_err(|_| {
        Error::connect(format!("MySQL does not answer within {} seconds", PATIENCE.as_secs())).help(
            "check host and port of source.milvus1.meta.mysql: is it a MySQL that listens there?",
        )
    })
}

/// True for addresses of this machine.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The certificates of `ca`, which holds one at least.
fn read_ca(ca: &Path) -> Result<Vec<u8>> {
    let place = |error: Error| error.at("source.milvus1.meta.mysql.ca");
    let pem = std::fs::read(ca).map_err(|error| {
        place(Error::config(format!("Cannot read {}", ca.display())).because(error))
    })?;
    let begin = b"-----BEGIN CERTIFICATE-----";
    match pem.windows(begin.len()).any(|window| window == begin) {
        true => Ok(pem),
        false => Err(place(
            Error::config(format!("{} holds no certificate", ca.display()))
                .help("give the PEM file of the authority that signed the server's certificate"),
        )),
    }
}

fn explain(config: &MysqlConfig, error: mysql_async::Error) -> Error {
    let (what, help) = match &error {
        mysql_async::Error::Server(_) if config.tls == MysqlTls::Off => (
            "MySQL refuses",
            "check user, password and database of source.milvus1.meta.mysql; a user that must connect encrypted needs `tls: prefer` or `tls: require`",
        ),
        mysql_async::Error::Server(_) => {
            ("MySQL refuses", "check user, password and database of source.milvus1.meta.mysql")
        }
        mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer) => (
            "MySQL has no TLS",
            "let the server have a certificate, or allow a connection that is not encrypted: `tls: prefer` or `tls: off`",
        ),
        mysql_async::Error::Io(error) if is_tls(error) && config.tls == MysqlTls::Require => (
            "No trusted connection to MySQL",
            "set source.milvus1.meta.mysql.ca to the PEM file of the authority that signed the server's certificate, and `host` to a name that the certificate has; `tls: prefer` encrypts without a check",
        ),
        mysql_async::Error::Io(error) if is_tls(error) => (
            "No encrypted connection to MySQL",
            "this needs TLS 1.2 or newer; `tls: off` does without",
        ),
        _ => (
            "Cannot reach MySQL",
            "check host and port of source.milvus1.meta.mysql, and that the server runs",
        ),
    };
    Error::connect(what).because(error).help(help)
}

/// True for what the TLS library says, which arrives as data that makes no sense.
fn is_tls(error: &IoError) -> bool {
    match error {
        IoError::Tls(_) => true,
        IoError::Io(error) => error.kind() == ErrorKind::InvalidData,
    }
}
