//! Wall time and processor time of one pass.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

/// Runs since a moment.
pub struct Clock {
    wall: Instant,
    processor: f64,
}

/// What a pass took.
pub struct Measured {
    pub rows: u64,
    pub bytes: u64,
    pub seconds: f64,
    pub cpu_s: f64,
    /// What else there is to say, in seconds.
    pub more: Vec<(&'static str, f64)>,
}

impl Clock {
    pub fn start() -> Clock {
        Clock { wall: Instant::now(), processor: processor_seconds() }
    }

    /// What it took to get through `rows` of `bytes` bytes.
    pub fn stop(&self, rows: u64, bytes: u64) -> Measured {
        let cpu_s = processor_seconds() - self.processor;
        Measured { rows, bytes, seconds: self.seconds(), cpu_s, more: Vec::new() }
    }

    /// Since it was started.
    pub fn seconds(&self) -> f64 {
        self.wall.elapsed().as_secs_f64()
    }
}

impl Measured {
    /// And so many seconds of something else.
    #[must_use]
    pub fn and(mut self, key: &'static str, seconds: f64) -> Measured {
        self.more.push((key, seconds));
        self
    }

    /// As a line of JSON.
    pub fn line(&self) -> String {
        let Measured { rows, bytes, seconds, cpu_s, more } = self;
        let mut line = json!({"rows": rows, "bytes": bytes, "seconds": seconds, "cpu_s": cpu_s});
        more.iter().for_each(|(key, seconds)| line[*key] = json!(seconds));
        line.to_string()
    }
}

/// Of all threads of this process so far.
fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
