//! Answers of servers, of both generations: the first byte says to which call.

use vecpipe::milvus::fuzz::{ANSWERS, answer};

pub fn read(input: &[u8]) -> bool {
    let Some((which, bytes)) = input.split_first() else { return false };
    match answer(which % ANSWERS, bytes) {
        Ok((words, rows)) => {
            std::hint::black_box(words);
            // As `inspect` shows them.
            let rows = rows.map(|rows| rows.slice(0, rows.num_rows().min(5)));
            std::hint::black_box(rows.map(|rows| format!("{rows:?}")));
            true
        }
        Err(error) => {
            // What a person would be told.
            std::hint::black_box(vecpipe::Error::from(error).to_string());
            false
        }
    }
}
