//! Putting a collection in the place of another one by two renames.
//!
//! A rename whose answer was lost may be carried out later, and would then take the new rows from their
//! place. So the new collection says that a swap was begun before the first rename is sent; and where
//! an answer is missing, of this attempt or an earlier one, an empty collection takes the name that
//! the late rename would give: a server refuses to rename to a name that is taken (measured on 2.3.5 and
//! Milvus Lite 3.2.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::beside::{Beside, own};
use super::reload::Reload;
use crate::error::{Error, Result};
use crate::milvus::v2::Client;
use crate::milvus::v2::collection::{Collection, NewCollection};
use crate::milvus::v2::field::pair;
use crate::milvus::v2::proto::common::KeyValuePair;
use crate::milvus::v2::proto::schema::{DataType, FieldSchema};
use crate::sink::server::Intake;
use crate::words::{count, plural};

/// A property of a new collection: a swap was begun.
const SWAPPING: &str = "vecpipe.swapping";
/// A property of an empty collection that only keeps a name from being given: since when, in seconds
/// since 1970.
const GUARD: &str = "vecpipe.guard";
/// A property of a new collection: how many rows the old one held when it was created.
const HELD: &str = "vecpipe.replaced_rows";

/// How long a guard stays.
const GUARDED: Duration = Duration::from_secs(3600);

/// True for a collection that only keeps a name from being given.
pub(super) fn is_guard(collection: &Collection) -> bool {
    collection.property(GUARD).is_some()
}

/// True for a guard that has been there long enough.
pub(super) fn is_past(guard: &Collection) -> bool {
    let since = guard.property(GUARD).and_then(|since| since.parse::<u64>().ok());
    since.is_none_or(|since| since + GUARDED.as_secs() < now())
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// How many rows a collection holds, counted in each way that it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    /// By the server's statistics, which count what was ever inserted, until it tidies up.
    rows: u64,
    /// By a query, which only a loaded collection answers.
    shown: Option<u64>,
}

impl Held {
    pub(super) async fn of(client: &Client, collection: &str) -> Result<Held> {
        client.flush(collection).await?;
        let rows = client.row_count(collection, None).await?;
        let asks = !client.version().is_lite() && client.is_loaded(collection, &[]).await?;
        let shown = if asks { Some(client.count(collection, &[]).await?) } else { None };
        Ok(Held { rows, shown })
    }

    /// The same, as a property of the collection that replaces it.
    pub(super) fn note(self) -> KeyValuePair {
        let shown = self.shown.map_or_else(String::new, |shown| shown.to_string());
        pair(HELD, format!("{} {shown}", self.rows))
    }

    fn noted(collection: &Collection) -> Option<Held> {
        let (rows, shown) = collection.property(HELD)?.split_once(' ')?;
        Some(Held { rows: rows.parse().ok()?, shown: shown.parse().ok() })
    }

    /// Rows that came since `earlier`, at least.
    fn more_than(self, earlier: Held) -> u64 {
        let shown = self.shown.zip(earlier.shown);
        let shown = shown.map_or(0, |(now, then)| now.saturating_sub(then));
        shown.max(self.rows.saturating_sub(earlier.rows))
    }
}

impl Beside {
    /// The new collection, which is complete, takes the place of the old one.
    pub(super) async fn take_place(&self, client: &Client, intake: &Intake) -> Result<()> {
        let Beside { name, new, old, .. } = self;
        let filled = own(client, new).await?.filter(|filled| self.is_filled(filled));
        let Some(filled) = filled else { return Err(not_filled(name, new)) };
        if own(client, name).await?.is_none() {
            tracing::info!("Collection {name} was dropped meanwhile: the new one takes its name");
            client.rename_collection(new, name).await?;
            return Ok(());
        }
        let reload = Reload::of(client, name).await?;
        // Before it has the name, so that searches find it ready. Both may be too much at once.
        if let Err(error) = reload.load(client, new).await {
            tracing::warn!("{new} is loaded once the old collection is gone: {error}");
        }
        // Not before, because loading may take minutes.
        self.refuse_new_rows(client, &filled).await?;
        // An earlier attempt may have sent a rename that is still under way.
        let again = filled.property(SWAPPING).is_some();
        if !again {
            client.alter_collection(new, vec![pair(SWAPPING, "begun")]).await?;
        }
        intake.confirm().await?;
        let lost = client.rename_collection(name, old).await?;
        if let Err(error) = client.rename_collection(new, name).await {
            // What fails here, too, is set right by the next run.
            if let Err(again) = client.rename_collection(old, name).await {
                tracing::warn!("The old collection is now called {old}: {again}");
            }
            return Err(error.into());
        }
        self.settle(client, &reload, again || lost).await
    }

    /// What an earlier attempt has not come to do.
    pub(super) async fn finish_swap(&self, client: &Client) -> Result<()> {
        let reload = Reload::of(client, &self.old).await?;
        if !self.is_in_place(client, &self.name).await? {
            client.rename_collection(&self.new, &self.name).await?;
        }
        self.settle(client, &reload, true).await
    }

    /// What is left to do once the new collection has the name. `in_doubt` when a rename may still be
    /// under way.
    async fn settle(&self, client: &Client, reload: &Reload, in_doubt: bool) -> Result<()> {
        for alias in client.aliases(&self.old).await? {
            client.alter_alias(&alias, &self.name).await?;
        }
        client.drop_collection(&self.old).await?;
        if in_doubt {
            self.guard(client).await?;
        }
        reload.load(client, &self.name).await.map_err(|error| {
            error
                .at(format!("loading {}", self.name))
                .help("the new rows are complete and in place: load them when there is room")
        })
    }

    /// Keeps the name of the old collection from being given, and makes sure that it has not been.
    async fn guard(&self, client: &Client) -> Result<()> {
        let Beside { name, old, .. } = self;
        loop {
            if self.is_in_place(client, old).await? {
                tracing::warn!("A late request took {name} away; it gets its name back");
                client.rename_collection(old, name).await?;
            }
            if own(client, old).await?.is_some_and(|there| is_guard(&there)) {
                return Ok(());
            }
            match client.create_collection(old, empty()).await {
                Ok(()) => tracing::info!(
                    "{old} stays for an hour, empty: a rename without an answer would else take {name} away when it comes late (`pipeline clean` removes it)"
                ),
                // The late rename was faster.
                Err(_) if self.is_in_place(client, old).await? => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Rows that came to the old collection while the new one was filled would go with it.
    async fn refuse_new_rows(&self, client: &Client, filled: &Collection) -> Result<()> {
        let Beside { name, new, .. } = self;
        let Some(then) = Held::noted(filled) else { return Ok(()) };
        let more = Held::of(client, name).await?.more_than(then);
        if more == 0 {
            return Ok(());
        }
        Err(Error::differ(format!(
            "{} came to collection {name} while its replacement was filled, and would go with it",
            plural(more, "row")
        ))
        .at(format!("{name} held {} rows when the run began", count(then.rows)))
        .help(format!(
            "both collections stay: {name} with the old rows and those that came, {new} with the new ones. Let writes to {name} rest, then run again with --restart"
        )))
    }
}

fn not_filled(name: &str, new: &str) -> Error {
    Error::target(format!("Collection {new} is not the one that this run has filled")).help(
        format!("another run seems to overwrite {name}, too: let one end before the other begins"),
    )
}

fn empty() -> NewCollection {
    let field = |name: &str, data_type: DataType| FieldSchema {
        name: name.to_owned(),
        data_type: data_type.into(),
        ..FieldSchema::default()
    };
    let id = FieldSchema { is_primary_key: true, ..field("id", DataType::Int64) };
    let vector = field("vector", DataType::FloatVector);
    let vector = FieldSchema { type_params: vec![pair("dim", "2")], ..vector };
    NewCollection {
        fields: vec![id, vector],
        shards: 1,
        properties: vec![pair(GUARD, now().to_string())],
        ..NewCollection::default()
    }
}
