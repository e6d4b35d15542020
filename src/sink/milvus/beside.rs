//! Overwriting a collection: a new one is filled beside it, and takes its place when complete.
//!
//! ```text
//!              name     name_vecpipe_new   name_vecpipe_old
//!   filling    old      new
//!   renamed             new                old                then: aliases move, the old one goes
//!   renamed    new                         old
//!   done       new
//! ```
//!
//! Whatever stands there after a cut-off tells how far it came, and the next run goes on from it.
//! A rename changes neither rows, indexes nor aliases; a Milvus keeps what is loaded, Milvus Lite
//! releases it (measured on 2.3.5, where it takes some 10 ms, and Milvus Lite 3.2.2).

use twox_hash::XxHash3_128;

use super::reload::Reload;
use crate::error::{Error, Result};
use crate::milvus::v2::Client;
use crate::milvus::v2::collection::Collection;
use crate::milvus::v2::field::pair;
use crate::milvus::v2::proto::common::KeyValuePair;
use crate::sink::server::MAX_NAME;

/// A property of a new collection: the name of the one whose place it takes.
const REPLACES: &str = "vecpipe.replaces";
/// A property of a new collection: the server's number for the one whose place it takes.
const REPLACED_ID: &str = "vecpipe.replaced_id";
/// A property of a new collection: which run fills it.
const RUN: &str = "vecpipe.run";

/// A property of a collection that is made where there was none: which run has made it. Descriptions
/// would not do: Milvus Lite forgets them.
const MADE_BY: &str = "vecpipe.made_by";

/// How a collection shows which run has made it.
pub(super) fn made_by(run: &str) -> KeyValuePair {
    pair(MADE_BY, run)
}

/// True when a run has made it where there was none.
pub(super) fn is_made_here(collection: &Collection) -> bool {
    collection.property(MADE_BY).is_some()
}

/// The names of a collection that is overwritten, and of those beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beside {
    /// The collection's own.
    pub name: String,
    /// Of the new one, while it is filled.
    pub new: String,
    /// Of the old one, once the new one has its name.
    pub old: String,
}

/// What a run that was cut off left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing.
    Nothing,
    /// A new collection that was not complete.
    Unfinished,
    /// A complete new one and the old one, and none that has their name.
    Unnamed,
    /// The old one beside the new one that took its place.
    Replaced,
    /// The old one alone, which has lost its name.
    Aside,
}

/// Where the rows are that a run fills beside a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// Beside it.
    Beside,
    /// In its place.
    InPlace,
}

impl Beside {
    pub(super) fn of(name: &str) -> Beside {
        Beside {
            name: name.to_owned(),
            new: longer(name, "_vecpipe_new"),
            old: longer(name, "_vecpipe_old"),
        }
    }

    /// How a new collection shows whose it is, on every server.
    pub(super) async fn marks(&self, client: &Client, run: &str) -> Result<Vec<KeyValuePair>> {
        let replaced = client.describe_collection(&self.name).await?;
        let id = replaced.map(|collection| collection.id).unwrap_or_default();
        Ok(vec![pair(REPLACES, &self.name), pair(REPLACED_ID, id.to_string()), pair(RUN, run)])
    }

    /// What stands there.
    ///
    /// # Errors
    /// When one of the names is taken by a collection that is not provably ours.
    pub(super) async fn look(&self, client: &Client) -> Result<Left> {
        let named = own(client, &self.name).await?;
        let new = own(client, &self.new).await?;
        let old = own(client, &self.old).await?;
        if let Some(new) = &new
            && new.property(REPLACES) != Some(&self.name)
        {
            return Err(not_ours(&self.new, "the new rows would be filled in"));
        }
        let replaces = |by: &Collection, old: &Collection| {
            by.property(REPLACES) == Some(&self.name)
                && by.property(REPLACED_ID) == Some(&old.id.to_string())
        };
        match (&named, &new, &old) {
            (Some(by), _, Some(old)) | (None, Some(by), Some(old)) if !replaces(by, old) => {
                Err(not_ours(&self.old, "the old rows would be put until they are dropped"))
            }
            (Some(_), _, Some(_)) => Ok(Left::Replaced),
            (None, Some(_), Some(_)) => Ok(Left::Unnamed),
            (None, None, Some(_)) => Ok(Left::Aside),
            (_, Some(_), None) => Ok(Left::Unfinished),
            (_, None, None) => Ok(Left::Nothing),
        }
    }

    /// Where the rows of `run` are; nowhere before it has begun.
    pub(super) async fn rows_of(&self, client: &Client, run: &str) -> Result<Option<Rows>> {
        for (name, rows) in [(&self.new, Rows::Beside), (&self.name, Rows::InPlace)] {
            let found = own(client, name).await?;
            if found.is_some_and(|found| found.property(RUN) == Some(run)) {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }

    /// Makes sure that a collection that is missing has not just lost its name.
    pub(super) async fn check_not_aside(&self, client: &Client) -> Result<()> {
        match own(client, &self.old).await? {
            None => Ok(()),
            Some(_) => Err(Error::target(format!(
                "A run that was to overwrite collection {} was cut off: its rows are in {}",
                self.name, self.old
            ))
            .help("run it again with mode: overwrite, which finishes it; or give the collection its name back")),
        }
    }

    /// Finishes or clears away what a run that was cut off left behind.
    pub(super) async fn recover(&self, client: &Client) -> Result<()> {
        let Beside { name, new, old } = self;
        loop {
            match self.look(client).await? {
                Left::Nothing => return Ok(()),
                // A run that is resumed would go on filling it instead.
                Left::Unfinished => {
                    tracing::info!(
                        "Dropping collection {new}, which an earlier run left unfinished"
                    );
                    client.drop_collection(new).await?;
                }
                Left::Unnamed => {
                    tracing::info!(
                        "Collection {new} takes the place of {name}, as an earlier run was about to do"
                    );
                    let reload = Reload::of(client, old).await?;
                    client.rename_collection(new, name).await?;
                    self.settle(client, &reload).await?;
                }
                Left::Replaced => {
                    tracing::info!("Dropping collection {old}, which an earlier run replaced");
                    let reload = Reload::of(client, old).await?;
                    self.settle(client, &reload).await?;
                }
                Left::Aside => {
                    tracing::info!("Collection {old} gets its name {name} back");
                    client.rename_collection(old, name).await?;
                }
            }
        }
    }

    /// The new collection, which is complete, takes the place of the old one.
    pub(super) async fn take_place(&self, client: &Client, run: &str) -> Result<()> {
        let Beside { name, new, old } = self;
        let filled = own(client, new).await?;
        if filled.is_none_or(|filled| filled.property(RUN) != Some(run)) {
            return Err(Error::target(format!(
                "Collection {new} is not the one that this run has filled"
            ))
            .help(format!(
                "another run seems to overwrite {name}, too: let one end before the other begins"
            )));
        }
        let reload = Reload::of(client, name).await?;
        // Before it has the name, so that searches find it ready. Both may be too much at once.
        if let Err(error) = reload.load(client, new).await {
            tracing::warn!("{new} is loaded once the old collection is gone: {error}");
        }
        client.rename_collection(name, old).await?;
        if let Err(error) = client.rename_collection(new, name).await {
            // What fails here, too, is set right by the next run.
            if let Err(again) = client.rename_collection(old, name).await {
                tracing::warn!("The old collection is now called {old}: {again}");
            }
            return Err(error.into());
        }
        self.settle(client, &reload).await
    }

    /// What is left to do once the new collection has the name.
    async fn settle(&self, client: &Client, reload: &Reload) -> Result<()> {
        for alias in client.aliases(&self.old).await? {
            client.alter_alias(&alias, &self.name).await?;
        }
        client.drop_collection(&self.old).await?;
        reload.load(client, &self.name).await.map_err(|error| {
            error
                .at(format!("loading {}", self.name))
                .help("the new rows are complete and in place: load them when there is room")
        })
    }
}

/// The collection of this name; none where the name is an alias.
async fn own(client: &Client, name: &str) -> Result<Option<Collection>> {
    let found = client.describe_collection(name).await?;
    Ok(found.filter(|collection| collection.name == name))
}

fn not_ours(name: &str, place_for: &str) -> Error {
    Error::target(format!(
        "Collection {name} is in the way, and nothing shows that vecpipe made it"
    ))
    .help(format!("that is where {place_for}: drop it or give it another name, then run again"))
}

/// A name with something behind it, as long as a name may be. What is cut off counts all the same.
fn longer(name: &str, suffix: &str) -> String {
    if name.len() + suffix.len() <= MAX_NAME {
        return format!("{name}{suffix}");
    }
    let hash = format!("_{:016x}", XxHash3_128::oneshot(name.as_bytes()) as u64);
    let kept: String = name.chars().take(MAX_NAME - hash.len() - suffix.len()).collect();
    format!("{kept}{hash}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beside_a_long_name_fit_and_differ() {
        let beside = Beside::of("test");
        assert_eq!((&*beside.new, &*beside.old), ("test_vecpipe_new", "test_vecpipe_old"));
        let longest = "a".repeat(MAX_NAME);
        let other = format!("{}b", "a".repeat(MAX_NAME - 1));
        let names = [&longest, &other].map(|name| Beside::of(name));
        assert!(names.iter().all(|beside| beside.new.len() == MAX_NAME));
        assert!(names.iter().all(|beside| beside.new.ends_with("_vecpipe_new")));
        assert_ne!(names[0].new, names[1].new);
        assert_eq!(names[0], Beside::of(&longest));
    }
}
