//! What a plan says of requests that the server carries out late.

use std::time::Duration;

use crate::milvus::late::lifetime;

/// Returns the note of a target whose inserts can't be carried out twice. `limit` is the time that
/// the client allows for an answer.
pub(crate) fn late_note(limit: Duration) -> String {
    let seconds = lifetime(limit).as_secs_f32();
    format!(
        "these inserts are not idempotent: one that gets no answer and is carried out more than {seconds} s after it was sent doubles its rows"
    )
}
