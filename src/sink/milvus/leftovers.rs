//! What runs left beside a collection that they were to overwrite.

use super::beside::{Beside, Left, LeftState};
use crate::error::Result;
use crate::milvus::v2::Client;
use crate::sink::Leftover;

/// What stands beside a collection, of any run.
pub(super) async fn leftovers(client: &Client, collection: &str) -> Result<Vec<Leftover>> {
    let mut all = Vec::new();
    if !client.version().can_rename() {
        return Ok(all);
    }
    for left in Beside::look(client, collection).await? {
        let Left { names, state } = &left;
        let name = name_of(&left).to_owned();
        let what = match state {
            LeftState::Unfinished => format!("collection {name}, not complete"),
            LeftState::Guard | LeftState::PastGuard => {
                format!("collection {name}, empty: it guards against a late rename")
            }
            LeftState::Replaced => format!("collection {name}, which was replaced"),
            LeftState::Unnamed => {
                format!("collections {} and {name}, in the middle of a swap", names.new)
            }
            LeftState::Aside => format!("collection {name}, which has lost its name"),
        };
        let rows = client.row_count(&name, None).await.ok().filter(|_| !is_guard(*state));
        all.push(Leftover { what, name, run: Some(names.run.clone()), rows });
    }
    Ok(all)
}

fn is_guard(state: LeftState) -> bool {
    matches!(state, LeftState::Guard | LeftState::PastGuard)
}

fn name_of(left: &Left) -> &str {
    match left.state {
        LeftState::Unfinished => &left.names.new,
        _ => &left.names.old,
    }
}

/// True for what may simply be dropped: nobody's rows are in it alone.
pub(super) async fn is_removable(client: &Client, collection: &str, name: &str) -> Result<bool> {
    let left = Beside::look(client, collection).await?;
    let of_name = left.iter().find(|left| name_of(left) == name);
    Ok(of_name.is_some_and(|left| left.state == LeftState::Unfinished || is_guard(left.state)))
}
