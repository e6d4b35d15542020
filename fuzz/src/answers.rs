//! Answers of servers, of both generations: the first byte says to which call.

use vecpipe::milvus::fuzz::{ANSWERS, answer};

pub fn read(input: &[u8]) {
    let Some((which, bytes)) = input.split_first() else { return };
    match answer(which % ANSWERS, bytes) {
        Ok((words, rows)) => {
            std::hint::black_box(words);
            // As `inspect` shows them.
            let rows = rows.map(|rows| rows.slice(0, rows.num_rows().min(5)));
            if let Some(rows) = rows {
                std::hint::black_box(format!("{rows:?}"));
            }
        }
        // What a person would be told.
        Err(error) => drop(std::hint::black_box(vecpipe::Error::from(error).to_string())),
    }
}
