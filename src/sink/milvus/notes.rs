//! What the user should know of a target before anything changes.

use super::Milvus;
use super::beside::{Beside, Left, LeftState};
use super::plan::Intent;
use crate::error::Result;
use crate::milvus::v2::Client;
use crate::milvus::v2::field::fields_words;
use crate::ownership::Owner;
use crate::sink::TableToWrite;
use crate::sink::server::{OnConflict, OnDuplicateId, late_note};

/// How the old rows go and the new ones come.
pub(super) async fn on_overwriting(
    client: &Client,
    intent: &Intent,
    (owner, loaded): (&Owner, bool),
) -> Result<Vec<String>> {
    let target = &intent.target;
    let gone = "until the run is complete, the old rows are gone and the new ones incomplete";
    if let (Some(partition), false) = (&target.partition, target.whole) {
        return Ok(vec![format!(
            "Milvus can't rename partitions: {partition} is dropped first, and {gone}"
        )]);
    }
    let Some((beside, left)) = &intent.beside else {
        let mut notes = vec![format!(
            "{} can't rename collections: the old one is dropped first, and {gone}",
            client.version()
        )];
        if loaded {
            notes.push("afterwards it is not loaded any more: load it before searching".to_owned());
        }
        return Ok(notes);
    };
    let Beside { name, new, .. } = beside;
    let mut notes: Vec<_> = left.iter().filter_map(|left| note_on(left, owner)).collect();
    notes.push(format!(
        "the new rows are filled into {new}, which takes the place of the old collection, with all its partitions, once they are complete and counted"
    ));
    if intent.found.collection.is_some() {
        let aliases = client.aliases(name).await?;
        if !aliases.is_empty() {
            notes.push(format!("its aliases move along: {}", aliases.join(", ")));
        }
    }
    if loaded && !client.version().is_lite() {
        notes.push(match intent.indexes.is_empty() {
            false => "it is loaded, and so is the new one when it takes its place".to_owned(),
            true => "afterwards it is not loaded any more, as it has no index".to_owned(),
        });
    }
    Ok(notes)
}

/// What becomes of what an earlier run left beside a collection.
fn note_on(left: &Left, owner: &Owner) -> Option<String> {
    let Beside { name, new, old, run } = &left.names;
    match left.state {
        LeftState::Guard | LeftState::PastGuard => None,
        LeftState::Unfinished if owner.ended.contains(run) => {
            Some(format!("{new}, which run {run} left unfinished, is dropped first"))
        }
        // It is this run's own, and resumed.
        LeftState::Unfinished if owner.run == *run => None,
        LeftState::Unfinished => Some(format!(
            "{new}, which run {run} left unfinished, stays: `pipeline clean` removes it"
        )),
        LeftState::Unnamed => Some(format!(
            "run {run} was cut off just before {new} took the place of {name}: that is finished first"
        )),
        LeftState::Replaced => Some(format!("{old}, which run {run} replaced, is dropped first")),
        LeftState::Aside => Some(format!("{old}, as run {run} left it, gets its name back first")),
    }
}

impl Milvus {
    /// What a run makes of the target, whatever it does about old rows.
    pub(super) fn notes(
        &self,
        client: &Client,
        table: &TableToWrite,
        intent: &Intent,
        loaded: bool,
    ) -> Vec<String> {
        let Intent { shape, index_note, .. } = intent;
        let mut notes = Vec::new();
        if intent.makes_collection() {
            notes.push(format!("new collection with {}", fields_words(&shape.fields)));
            notes.extend(intent.origin.notes(table, shape, client.version()));
        }
        if !self.config.keep_ids {
            notes.push(format!(
                "the server makes new ids ({}): rows are verified by their number alone, and sent split by split",
                shape.key
            ));
        }
        if self.late_requests_double_rows(client, intent) {
            notes.push(late_note(client.request_timeout()));
        }
        notes.extend(shape.notes.iter().cloned());
        notes.push(index_note.clone());
        if !loaded && !client.version().is_lite() {
            notes.push("not loaded: load it before searching".to_owned());
        }
        let columns = table.schema.arrow().fields().iter().zip(&shape.fields);
        let never_null = columns.filter(|(column, field)| column.is_nullable() && !field.nullable);
        let never_null: Vec<_> = never_null.map(|(_, field)| field.name.as_str()).collect();
        if !never_null.is_empty() {
            notes.push(format!(
                "{} can't be null there: a row in which it is fails the run, or is put aside (on_bad_row)",
                never_null.join(", ")
            ));
        }
        let sends_twice = self.config.on_conflict == OnConflict::Insert
            && intent.ids_can_be_there(client)
            || self.config.on_duplicate_id == OnDuplicateId::Allow;
        if sends_twice && intent.keeps_ids && client.version().is_lite() {
            notes.push("Milvus Lite keeps one row per id, the last that comes".to_owned());
        }
        notes
    }
}
