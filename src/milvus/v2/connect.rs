//! Connecting: which server it is, and whether it has the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{
    Mutex, MutexGuard, OnceCell, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock,
    RwLockReadGuard, RwLockWriteGuard,
};

use crate::location::ServerAddresses;
use crate::milvus::connection::{Connection, Options};
use crate::milvus::retry::Pauses;
use crate::milvus::v2::loading::Loading;
use crate::milvus::v2::proto::milvus::{ConnectRequest, GetVersionRequest};
use crate::milvus::v2::reload::Reloaded;
use crate::milvus::v2::rpc;
use crate::milvus::v2::version::ServerVersion;
use crate::milvus::{Generation, MilvusError, Result, generation};

/// A connection to one server and database. Cloning shares it.
#[derive(Clone)]
pub struct Client {
    connection: Connection,
    shared: Arc<Shared>,
    /// Calls that were tried again.
    repeats: Arc<AtomicU64>,
}

struct Shared {
    version: ServerVersion,
    addresses: OnceCell<ServerAddresses>,
    settling: Mutex<()>,
    reloaded: Mutex<Vec<Reloaded>>,
    loading: Loading,
    /// Shared by those who send rows.
    sending: RwLock<()>,
}

/// The version, as a server of this generation says it.
pub(in crate::milvus) async fn ask_version(connection: &Connection) -> Result<String> {
    let limit = connection.options().connect_timeout;
    let mut pauses = Pauses::new(limit);
    loop {
        let error = match rpc::call_within(connection, GetVersionRequest {}, limit).await {
            Ok(answer) => return Ok(answer.version),
            Err(error) => error,
        };
        if error.is_unknown_call() {
            // Milvus Lite 2.x greets, and says nothing of itself.
            return match rpc::call_within(connection, ConnectRequest::default(), limit).await {
                Ok(answer) if answer.server_info.is_none() => {
                    Ok(ServerVersion::EARLY_LITE.to_owned())
                }
                _ => Err(error),
            };
        }
        // A server that is just starting refuses for a moment.
        let starting = matches!(error, MilvusError::Refused { code: 1 | 2, .. });
        if !starting || !pauses.pause(&error).await {
            return Err(error);
        }
    }
}

impl Client {
    /// Connects, asks for the version, and checks that the database exists. Fails at once when the
    /// server can't be reached.
    ///
    /// # Errors
    /// When the address is wrong, nothing answers in time, what answers is not Milvus 2.x, it
    /// refuses the credentials, or it has no such database.
    pub async fn connect(options: Options) -> Result<Client> {
        let connection = Connection::open(options).await?;
        let version = match ask_version(&connection).await {
            Ok(text) => ServerVersion::parse(&text),
            Err(error) => {
                return Err(generation::explain(&connection, Generation::Two, error).await);
            }
        };
        let shared = Arc::new(Shared {
            version,
            addresses: OnceCell::new(),
            settling: Mutex::default(),
            reloaded: Mutex::default(),
            loading: Loading::default(),
            sending: RwLock::default(),
        });
        let client = Client { connection, shared, repeats: Arc::default() };
        client.check_database().await?;
        Ok(client)
    }

    /// What was loaded again. Held while something is.
    pub(super) async fn reloaded(&self) -> MutexGuard<'_, Vec<Reloaded>> {
        self.shared.reloaded.lock().await
    }

    /// Held by whoever changes what is loaded of a collection.
    pub(super) async fn loading(&self, collection: &str) -> OwnedRwLockWriteGuard<()> {
        self.shared.loading.alone(self.db_name(), collection).await
    }

    /// Held by whoever queries a collection.
    pub(super) async fn not_loading(&self, collection: &str) -> OwnedRwLockReadGuard<()> {
        self.shared.loading.resting(self.db_name(), collection).await
    }

    /// The same connection, for another database. Nobody has looked whether that exists.
    ///
    /// # Errors
    /// When the name can't be sent.
    pub fn within(&self, database: &str) -> Result<Client> {
        let connection = self.connection.within(database)?;
        Ok(Client { connection, ..self.clone() })
    }

    /// A missing database would otherwise show only as missing collections.
    async fn check_database(&self) -> Result<()> {
        let Some(database) = self.database() else { return Ok(()) };
        let names = self.databases().await?;
        if names.iter().any(|name| name == database) {
            return Ok(());
        }
        Err(MilvusError::Settings(format!(
            "Milvus has no database `{database}`; it has: {}",
            names.join(", ")
        )))
    }

    /// The same connection, whose calls that are tried again are counted apart.
    #[must_use]
    pub fn counted(&self) -> Client {
        Client { repeats: Arc::default(), ..self.clone() }
    }

    /// How many calls were tried again since this was last asked.
    pub fn take_repeats(&self) -> u64 {
        self.repeats.swap(0, Ordering::Relaxed)
    }

    pub(super) fn count_repeat(&self) {
        self.repeats.fetch_add(1, Ordering::Relaxed);
    }

    /// What the server is.
    pub fn version(&self) -> &ServerVersion {
        &self.shared.version
    }

    /// The address, without credentials.
    pub fn endpoint(&self) -> &str {
        self.connection().endpoint()
    }

    /// Returns the addresses that the server's name resolves to, as of the first call.
    pub async fn addresses(&self) -> ServerAddresses {
        let resolve = || self.connection().addresses();
        self.shared.addresses.get_or_init(resolve).await.clone()
    }

    /// The database, where one was named.
    pub fn database(&self) -> Option<&str> {
        self.connection().options().database.as_deref()
    }

    /// The database as requests name it.
    pub(crate) fn db_name(&self) -> String {
        self.database().unwrap_or_default().to_owned()
    }

    /// Held by whoever flushes a collection and counts it afterwards. While Milvus Lite flushes for
    /// one, another's flush returns at once, and the statistics lack the rows that are being written.
    /// A Milvus takes flushes side by side, and need not be waited for.
    pub async fn settle(&self) -> Option<MutexGuard<'_, ()>> {
        match self.version().is_lite() {
            true => Some(self.shared.settling.lock().await),
            false => None,
        }
    }

    /// Held by whoever sends rows to a Milvus Lite. It numbers rows before it stores them: a flush between the
    /// two that takes in rows with higher numbers makes each later one fail, or count rows as missing.
    pub(super) async fn sending(&self) -> Option<RwLockReadGuard<'_, ()>> {
        match self.version().is_lite() {
            true => Some(self.shared.sending.read().await),
            false => None,
        }
    }

    /// Waits until nobody sends rows to a Milvus Lite, and lets nobody begin.
    pub(super) async fn nobody_sending(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        match self.version().is_lite() {
            true => Some(self.shared.sending.write().await),
            false => None,
        }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.connection().options().request_timeout
    }

    pub(crate) fn retry_for(&self) -> Duration {
        self.connection().options().retry_for
    }

    pub(crate) fn wait_timeout(&self) -> Duration {
        self.connection().options().wait_timeout
    }
}
