//! What each call meets, by a seed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::common::kill::Random;
use crate::proxy::{Fault, Script};

/// How much goes wrong.
#[derive(Debug, Clone, Copy)]
pub struct Trouble {
    pub seed: u64,
    /// One call in so many fails.
    pub one_in: u64,
    /// How often the client is ended at most.
    pub ends: u64,
    /// False for a server that does not know the rate limit of 2.x.
    pub rate_limit: bool,
    /// True where a call may stay without an answer: it costs a deadline each time.
    pub silence: bool,
    /// Which calls are carried out late, if any are.
    pub late: Option<Late>,
}

/// Calls that are held and then carried out, whatever became of the client.
#[derive(Debug, Clone, Copy)]
pub struct Late {
    /// The longest that an insert or upsert is held.
    pub writes: Duration,
    /// The longest that a call is held which creates, drops or renames something, or deletes rows; none
    /// of them is late without it.
    pub others: Option<Duration>,
}

/// Late writes and other late calls of one run, at most: each costs the client a deadline.
const MOST_LATE: [u64; 2] = [5, 2];

impl Late {
    /// How long the next call of this name is held, if it is.
    fn hold(self, call: &str, random: &mut Random) -> Option<Duration> {
        let (one_in, longest) = match call {
            "Insert" | "Upsert" => (6, Some(self.writes)),
            "CreateCollection" | "CreateIndex" | "CreatePartition" | "DeleteByID"
            | "DropCollection" | "DropPartition" | "RenameCollection" => (2, self.others),
            _ => return None,
        };
        let longest = longest?.as_millis() as u64;
        (random.below(one_in) == 0).then(|| Duration::from_millis(50 + random.below(longest - 50)))
    }
}

/// Calls of one name that may fail, at most: those by which something is waited for are many.
const MOST: u64 = 60;

impl Trouble {
    /// What the n-th call of a name meets follows from the seed, the name and n: not from the order in
    /// which calls of different names come, which is chance.
    pub fn script(self) -> Script {
        let mut times: HashMap<String, u64> = HashMap::new();
        let (mut ends, mut late) = (0, [0; 2]);
        Box::new(move |call| {
            let nth = times.entry(call.to_owned()).or_default();
            *nth += 1;
            let mut hash = DefaultHasher::new();
            (self.seed, call, *nth).hash(&mut hash);
            let mut random = Random::seeded(hash.finish());
            if let Some(hold) = self.late.and_then(|late| late.hold(call, &mut random))
                && let sort = usize::from(!matches!(call, "Insert" | "Upsert"))
                && late[sort] < MOST_LATE[sort]
            {
                late[sort] += 1;
                return Fault::Late(hold);
            }
            // There are many of these, and few of the others.
            let many = matches!(call, "Insert" | "Upsert" | "Query");
            let one_in = if many { self.one_in * 3 } else { self.one_in };
            if *nth > MOST || random.below(one_in) > 0 {
                return Fault::None;
            }
            let fault = self.pick(&mut random);
            if matches!(fault, Fault::ActBefore | Fault::ActAfter) {
                if ends == self.ends {
                    return Fault::None;
                }
                ends += 1;
            }
            fault
        })
    }

    fn pick(self, random: &mut Random) -> Fault {
        match random.below(20) {
            0 | 1 => Fault::Delay(Duration::from_millis(1 + random.below(100))),
            2 | 3 => Fault::LoseAnswer,
            4 => Fault::LoseRequest,
            5 | 6 => Fault::CutBefore,
            7 | 8 => Fault::CutAfter,
            9 => Fault::Unavailable,
            10 | 11 => Fault::Exhausted,
            12 | 13 if self.rate_limit => Fault::RateLimit,
            14 if self.silence => Fault::Silence,
            15 if self.silence => Fault::SilenceAfter,
            16 | 17 => Fault::ActBefore,
            18 | 19 => Fault::ActAfter,
            _ => Fault::Unavailable,
        }
    }
}
