//! How many requests may be on their way to a server at once.
//!
//! The limit begins at the parallelism, which is the most there can be: a server that takes all of
//! them never notices it. An answer that says "too much" halves it, and each round of answers that
//! do not lets one more request go (additive increase, multiplicative decrease, as TCP does).
//!
//! It grows only when it was reached: answers to fewer requests than may be on their way say nothing about more.
//!
//! What is refused together was sent together, and is one piece of news: a refusal halves the limit
//! only when its request set out after the last time it was halved.
//!
//! **Why it can't deadlock.** Who waits for a [`Pass`] may hold memory, a lock, anything; who has one
//! waits for nothing but the server's answer, which has a deadline, and gives it back then. At least
//! one pass exists at any time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::milvus::error::Strain;

/// The limit that all writers of one server share.
#[derive(Debug)]
pub(crate) struct WriteLimit {
    passes: Semaphore,
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Requests that may be on their way.
    limit: usize,
    /// Passes that exist: waiting to be taken, or taken. More than `limit` until enough come back.
    issued: usize,
    /// Good answers since the limit last changed.
    taken: usize,
    /// As many requests as may be were on their way since the limit last changed.
    reached: bool,
    /// Requests that have set out; the number of the next one.
    next: u64,
    /// Requests before this one had set out when the limit was last halved.
    halved_before: u64,
}

/// What an answer did to the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// Only so many requests may be on their way from now on.
    Fewer(usize),
    /// One at a time is too much, and the least there is.
    Least,
    /// So many may be.
    More(usize),
}

/// The right to have one request on its way.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    of: &'a WriteLimit,
    permit: Option<SemaphorePermit<'a>>,
    number: u64,
}

impl WriteLimit {
    /// At most `most` requests at once, and at least one.
    pub(crate) fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let state = State {
            limit: most,
            issued: most,
            taken: 0,
            reached: false,
            next: 0,
            halved_before: 0,
        };
        WriteLimit { passes: Semaphore::new(most), most, state: Mutex::new(state) }
    }

    /// Requests that may be on their way now.
    pub(crate) fn now(&self) -> usize {
        self.state().limit
    }

    /// Waits until one more request may set out. Who waits longest goes first.
    pub(crate) async fn enter(&self) -> Pass<'_> {
        // Nobody closes the semaphore.
        let permit = self.passes.acquire().await.ok();
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.reached |= self.passes.available_permits() == 0;
        Pass { of: self, permit, number }
    }

    /// Makes as many passes as may exist, or takes back what nobody holds.
    fn fit(&self, state: &mut State) {
        if let Some(missing) = state.limit.checked_sub(state.issued) {
            state.issued += missing;
            self.passes.add_permits(missing);
        } else {
            state.issued -= self.passes.forget_permits(state.issued - state.limit);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answered(&mut self, number: u64, strain: Strain, most: usize) -> Change {
        // It tells of a limit that is no more.
        if number < self.halved_before {
            return Change::None;
        }
        match strain {
            Strain::Busy | Strain::Memory => {
                self.halved_before = self.next;
                (self.taken, self.reached) = (0, false);
                if self.limit == 1 {
                    return Change::Least;
                }
                self.limit /= 2;
                Change::Fewer(self.limit)
            }
            Strain::None if self.limit < most => {
                self.taken += 1;
                if self.taken < self.limit || !self.reached {
                    return Change::None;
                }
                self.limit += 1;
                (self.taken, self.reached) = (0, false);
                Change::More(self.limit)
            }
            Strain::None | Strain::TooLarge => Change::None,
        }
    }
}

impl Pass<'_> {
    /// The server has answered; [`Strain::None`] when it took the request.
    pub(crate) fn answered(self, strain: Strain) -> Change {
        let mut state = self.of.state();
        let change = state.answered(self.number, strain, self.of.most);
        self.of.fit(&mut state);
        change
    }
}

impl Drop for Pass<'_> {
    /// Also of a request that was given up: it says nothing about the server.
    fn drop(&mut self) {
        let mut state = self.of.state();
        if state.issued > state.limit
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
            state.issued -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures::future::join_all;
    use proptest::prelude::*;
    use tokio::time::{sleep, timeout};

    use super::*;

    /// Runs on one thread and a clock that jumps to whatever is waited for next.
    fn on_a_fast_clock<T>(test: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async { timeout(Duration::from_secs(1 << 20), test).await }).unwrap()
    }

    async fn enter_all(limit: &WriteLimit, count: usize) -> Vec<Pass<'_>> {
        join_all((0..count).map(|_| limit.enter())).await
    }

    #[test]
    fn what_is_refused_together_halves_once() {
        on_a_fast_clock(async {
            let limit = WriteLimit::new(8);
            for expected in [4, 2, 1, 1] {
                let held = limit.now();
                let passes = enter_all(&limit, held).await;
                let changes: Vec<_> =
                    passes.into_iter().map(|pass| pass.answered(Strain::Busy)).collect();
                assert_eq!(limit.now(), expected);
                let fewer = if held > 1 { Change::Fewer(expected) } else { Change::Least };
                assert_eq!(changes[0], fewer);
                assert!(changes[1..].iter().all(|change| *change == Change::None));
            }
        });
    }

    #[test]
    fn a_round_of_good_answers_lets_one_more_go() {
        on_a_fast_clock(async {
            let limit = WriteLimit::new(5);
            for _ in 0..3 {
                limit.enter().await.answered(Strain::Busy);
            }
            for expected in [2, 3, 4, 5, 5, 5] {
                let passes = enter_all(&limit, limit.now()).await;
                for pass in passes {
                    pass.answered(Strain::None);
                }
                assert_eq!(limit.now(), expected);
            }
        });
    }

    /// The last requests of a run, a few at a time, raised it to the most there is.
    #[test]
    fn a_limit_that_is_not_reached_does_not_grow() {
        on_a_fast_clock(async {
            let limit = WriteLimit::new(16);
            for _ in 0..2 {
                limit.enter().await.answered(Strain::Busy);
            }
            for _ in 0..100 {
                for pass in enter_all(&limit, 3).await {
                    pass.answered(Strain::None);
                }
            }
            assert_eq!(limit.now(), 4);
        });
    }

    #[test]
    fn a_lowered_limit_holds_once_answers_have_come() {
        on_a_fast_clock(async {
            let limit = WriteLimit::new(8);
            let mut passes = enter_all(&limit, 8).await;
            passes.pop().unwrap().answered(Strain::Memory);
            assert_eq!(limit.now(), 4);
            // Seven are on their way still: only with the fourth that comes back may one set out.
            for left in (4..=6).rev() {
                drop(passes.pop());
                assert_eq!(passes.len(), left);
                assert!(futures::poll!(Box::pin(limit.enter())).is_pending());
            }
            drop(passes.pop());
            assert!(futures::poll!(Box::pin(limit.enter())).is_ready());
        });
    }

    /// A server that refuses all that is more than `capacity` at once, and `workers` that send it
    /// `requests` each. Gives requests refused, and the limit after each answer.
    async fn move_all(
        limit: &Arc<WriteLimit>,
        (workers, requests): (usize, usize),
        (capacity, strain): (usize, Strain),
        delays: &[u64],
    ) -> (usize, Vec<usize>) {
        let (inside, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let limits = Mutex::new(Vec::new());
        let work = (0..workers).map(|worker| {
            let (inside, refused, limits) = (&inside, &refused, &limits);
            async move {
                for request in 0..requests {
                    let delay = delays[(worker * 31 + request * 7) % delays.len()];
                    loop {
                        let pass = limit.enter().await;
                        let now = inside.fetch_add(1, Ordering::Relaxed) + 1;
                        assert!(now <= limit.most);
                        sleep(Duration::from_millis(delay)).await;
                        inside.fetch_sub(1, Ordering::Relaxed);
                        let strain = if now > capacity { strain } else { Strain::None };
                        pass.answered(strain);
                        limits.lock().unwrap().push(limit.now());
                        if strain == Strain::None {
                            break;
                        }
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        join_all(work).await;
        (refused.into_inner(), limits.into_inner().unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever the server can take, it is found, kept to, and all requests get through.
        #[test]
        fn the_limit_settles_at_what_the_server_takes(
            most in 1..=32usize,
            capacity in 1..=40usize,
            delays in prop::collection::vec(1..50u64, 1..8),
            strain in prop::sample::select(vec![Strain::Busy, Strain::Memory]),
        ) {
            let limit = Arc::new(WriteLimit::new(most));
            let moving = move_all(&limit, (most, 200), (capacity, strain), &delays);
            let (refused, limits) = on_a_fast_clock(moving);
            prop_assert!(limits.iter().all(|limit| (1..=most).contains(limit)));
            if capacity >= most {
                prop_assert_eq!((refused, limit.now()), (0, most));
            } else {
                // Not above for longer than it takes to hear of it, and not far below for long.
                let late = &limits[limits.len() / 4..];
                let mean = late.iter().sum::<usize>() as f64 / late.len() as f64;
                let (least, greatest) = (capacity as f64 * 0.5, capacity as f64 + 2.0);
                prop_assert!((least..=greatest).contains(&mean), "{} of {}", mean, capacity);
            }
        }

        /// Requests that are given up, or refused at any time, cost no pass.
        #[test]
        fn no_pass_is_ever_lost(
            most in 1..=8usize,
            steps in prop::collection::vec((0..4u8, 0..8usize), 0..200),
        ) {
            on_a_fast_clock(async {
                let limit = WriteLimit::new(most);
                let mut passes = Vec::new();
                for (step, which) in steps {
                    let which = which % passes.len().max(1);
                    match step {
                        0 => {
                            let free = passes.len() < limit.now();
                            let entered = futures::poll!(Box::pin(limit.enter()));
                            match entered {
                                std::task::Poll::Ready(pass) => passes.push(pass),
                                std::task::Poll::Pending => assert!(!free, "a pass is missing"),
                            }
                            assert!(passes.len() <= most);
                        }
                        _ if passes.is_empty() => {}
                        1 => drop(passes.swap_remove(which)),
                        2 => _ = passes.swap_remove(which).answered(Strain::None),
                        _ => _ = passes.swap_remove(which).answered(Strain::Busy),
                    }
                    assert!((1..=most).contains(&limit.now()));
                }
                drop(passes);
                drop(enter_all(&limit, limit.now()).await);
            });
        }
    }
}
