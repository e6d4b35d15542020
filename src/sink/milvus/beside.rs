//! Overwriting a collection: a new one is filled beside it, and takes its place when complete. The names
//! of what stands beside it hold the id of the run.
//!
//! ```text
//!              name     name_vecpipe_new_<run>   name_vecpipe_old_<run>
//!   filling    old      new
//!   renamed             new                      old               then: aliases move, the old one goes
//!   renamed    new                               old
//!   done       new
//! ```
//!
//! Whatever stands there after a cut-off tells how far it came, and the next run that holds the target
//! goes on from it. A rename changes neither rows, indexes nor aliases; a Milvus keeps what is loaded,
//! Milvus Lite releases it (measured on 2.3.5, where it takes some 10 ms, and Milvus Lite 3.2.2).

use super::swap;
use crate::error::{Error, Result};
use crate::milvus::names::longer;
use crate::milvus::v2::Client;
use crate::milvus::v2::collection::Collection;
use crate::milvus::v2::field::pair;
use crate::milvus::v2::proto::common::KeyValuePair;
use crate::ownership::{Owner, is_run_id};

/// A property of a new collection: the name of the one whose place it takes.
const REPLACES: &str = "vecpipe.replaces";
/// A property of a new collection: the server's number for the one whose place it takes.
const REPLACED_ID: &str = "vecpipe.replaced_id";
/// A property of a new collection: which run fills it.
const RUN: &str = "vecpipe.run";
/// A property of a collection that is made where there was none: which run has made it. Descriptions
/// would not do: Milvus Lite forgets them.
const MADE_BY: &str = "vecpipe.made_by";

const NEW: &str = "_vecpipe_new_";
const OLD: &str = "_vecpipe_old_";

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
    /// The run that overwrites it.
    pub run: String,
    /// Of the new one, while it is filled.
    pub new: String,
    /// Of the old one, once the new one has its name.
    pub old: String,
}

/// What a run that was cut off left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Left {
    /// Names of that run.
    pub names: Beside,
    pub state: LeftState,
}

/// How far a run that was cut off had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeftState {
    /// A new collection that was not complete.
    Unfinished,
    /// A complete new one and the old one, and none that has their name.
    Unnamed,
    /// The old one beside the new one that took its place.
    Replaced,
    /// The old one alone, which has lost its name.
    Aside,
    /// An empty collection that keeps a late request from moving rows away.
    Guard,
    /// One that has been there long enough.
    PastGuard,
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
    pub(super) fn of(name: &str, run: &str) -> Beside {
        Beside {
            name: name.to_owned(),
            run: run.to_owned(),
            new: longer(name, &format!("{NEW}{run}")),
            old: longer(name, &format!("{OLD}{run}")),
        }
    }

    /// How a new collection shows whose it is, on every server.
    pub(super) async fn marks(&self, client: &Client) -> Result<Vec<KeyValuePair>> {
        let replaced = own(client, &self.name).await?;
        let mut marks = vec![pair(REPLACES, &self.name), pair(RUN, &self.run)];
        let id = replaced.as_ref().map(|collection| collection.id).unwrap_or_default();
        marks.push(pair(REPLACED_ID, id.to_string()));
        if replaced.is_some() {
            marks.push(swap::Held::of(client, &self.name).await?.note());
        }
        Ok(marks)
    }

    /// The names that runs gave what they put beside this collection, their own among them.
    pub(super) async fn all(client: &Client, name: &str) -> Result<Vec<Beside>> {
        let mut runs: Vec<String> = Vec::new();
        for there in client.collections().await? {
            let run = there.rsplit_once('_').map(|(_, run)| run).filter(|run| is_run_id(run));
            let Some(run) = run else { continue };
            let beside = Beside::of(name, run);
            if (there == beside.new || there == beside.old)
                && !runs.iter().any(|known| known == run)
            {
                runs.push(run.to_owned());
            }
        }
        // In the order in which they began.
        runs.sort_unstable();
        Ok(runs.iter().map(|run| Beside::of(name, run)).collect())
    }

    /// What stands beside the collection `name`, of any run.
    ///
    /// # Errors
    /// When one of the names is taken by a collection that is not provably ours.
    pub(super) async fn look(client: &Client, name: &str) -> Result<Vec<Left>> {
        let mut left = Vec::new();
        for names in Beside::all(client, name).await? {
            if let Some(state) = names.state(client).await? {
                left.push(Left { names, state });
            }
        }
        Ok(left)
    }

    /// What stands there of this run.
    async fn state(&self, client: &Client) -> Result<Option<LeftState>> {
        let named = own(client, &self.name).await?;
        let new = own(client, &self.new).await?;
        let old = own(client, &self.old).await?;
        if let Some(new) = &new
            && new.property(REPLACES) != Some(&self.name)
        {
            return Err(not_ours(&self.new, "the new rows would be filled in"));
        }
        if let Some(guard) = old.as_ref().filter(|old| swap::is_guard(old)) {
            let past = swap::is_past(guard);
            return Ok(Some(if past { LeftState::PastGuard } else { LeftState::Guard }));
        }
        let replaces = |by: &Collection, old: &Collection| {
            by.property(REPLACES) == Some(&self.name)
                && by.property(REPLACED_ID) == Some(&old.id.to_string())
        };
        Ok(match (&named, &new, &old) {
            (Some(by), _, Some(old)) | (None, Some(by), Some(old)) if !replaces(by, old) => {
                return Err(not_ours(
                    &self.old,
                    "the old rows would be put until they are dropped",
                ));
            }
            (Some(_), _, Some(_)) => Some(LeftState::Replaced),
            (None, Some(_), Some(_)) => Some(LeftState::Unnamed),
            (None, None, Some(_)) => Some(LeftState::Aside),
            (_, Some(_), None) => Some(LeftState::Unfinished),
            (_, None, None) => None,
        })
    }

    /// Where the rows of the run are; nowhere before it has begun.
    pub(super) async fn rows(&self, client: &Client) -> Result<Option<Rows>> {
        for (name, rows) in [(&self.new, Rows::Beside), (&self.name, Rows::InPlace)] {
            if self.is_in_place(client, name).await? {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }

    /// Makes sure that a collection that is missing has not just lost its name.
    pub(super) async fn check_not_aside(client: &Client, name: &str) -> Result<()> {
        let aside = |left: &Left| matches!(left.state, LeftState::Unnamed | LeftState::Aside);
        match Beside::look(client, name).await?.into_iter().find(aside) {
            None => Ok(()),
            Some(left) => Err(Error::target(format!(
                "A run that was to overwrite collection {name} was cut off: its rows are in {}",
                left.names.old
            ))
            .help("run it again with mode: overwrite, which finishes it; or give the collection its name back")),
        }
    }

    /// Finishes what runs that were cut off had begun to put in place, and clears away what those
    /// had filled whose place this one takes. All of them have ended: the target is marked.
    pub(super) async fn recover(client: &Client, name: &str, owner: &Owner) -> Result<()> {
        loop {
            let left = Beside::look(client, name).await?;
            let to_do = |left: &&Left| match left.state {
                LeftState::Unfinished => owner.ended.contains(&left.names.run),
                LeftState::Guard => false,
                LeftState::PastGuard
                | LeftState::Unnamed
                | LeftState::Replaced
                | LeftState::Aside => true,
            };
            let Some(Left { names, state }) = left.iter().find(to_do) else { return Ok(()) };
            let Beside { name, new, old, .. } = names;
            match state {
                LeftState::Unfinished => {
                    tracing::info!(
                        "Dropping collection {new}, which an earlier run left unfinished"
                    );
                    client.drop_collection(new).await?;
                }
                LeftState::Guard | LeftState::PastGuard => client.drop_collection(old).await?,
                LeftState::Unnamed => {
                    tracing::info!(
                        "Collection {new} takes the place of {name}, as an earlier run was about to do"
                    );
                    names.finish_swap(client).await?;
                }
                LeftState::Replaced => {
                    tracing::info!("Dropping collection {old}, which an earlier run replaced");
                    names.finish_swap(client).await?;
                }
                LeftState::Aside => {
                    tracing::info!("Collection {old} gets its name {name} back");
                    client.rename_collection(old, name).await?;
                }
            }
        }
    }

    /// True when the collection that is called `name` is the one that the run has filled.
    pub(super) async fn is_in_place(&self, client: &Client, name: &str) -> Result<bool> {
        Ok(own(client, name).await?.is_some_and(|found| self.is_filled(&found)))
    }

    /// True for the collection that the run has filled, whatever it is called.
    pub(super) fn is_filled(&self, collection: &Collection) -> bool {
        collection.property(RUN) == Some(&self.run)
    }
}

/// The collection of this name; none where the name is an alias.
pub(super) async fn own(client: &Client, name: &str) -> Result<Option<Collection>> {
    let found = client.describe_collection(name).await?;
    Ok(found.filter(|collection| collection.name == name))
}

fn not_ours(name: &str, place_for: &str) -> Error {
    Error::target(format!(
        "Collection {name} is in the way, and nothing shows that vecpipe made it"
    ))
    .help(format!("that is where {place_for}: drop it or give it another name, then run again"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::milvus::names::MAX_NAME;

    const ID: &str = "0123456789abcdef";

    #[test]
    fn names_beside_a_long_name_fit_and_differ() {
        let beside = Beside::of("test", ID);
        assert_eq!(beside.new, format!("test_vecpipe_new_{ID}"));
        assert_eq!(beside.old, format!("test_vecpipe_old_{ID}"));
        let longest = "a".repeat(MAX_NAME);
        let other = format!("{}b", "a".repeat(MAX_NAME - 1));
        let names = [&longest, &other].map(|name| Beside::of(name, ID));
        assert!(names.iter().all(|beside| beside.new.len() == MAX_NAME));
        assert!(names.iter().all(|beside| beside.new.ends_with(&format!("_vecpipe_new_{ID}"))));
        assert_ne!(names[0].new, names[1].new);
        assert_eq!(names[0], Beside::of(&longest, ID));
    }
}
