//! A server that is asked for too much at once: it gets what it can take, and every row.

use std::time::Duration;

use serde_json::json;
use vecpipe::flow::Controls;

use crate::common::components::source as source_of;
use crate::common::{run_pipeline, settings};
use crate::proxy::{Fault, Proxy};
use crate::support::*;

/// Far longer than any of these runs takes.
const STUCK: Duration = Duration::from_secs(300);

/// Moves `rows` in splits of 40 through the proxy; gives the requests that were sent again.
async fn move_through(proxy: &Proxy, name: &str, workers: usize, rows: u64, memory: u64) -> u64 {
    let source = json!({ "rows": rows, "dim": 4, "split_rows": 40, "table": name });
    let run = run_pipeline(
        source_of("synthetic", source),
        parallel_sink(&proxy.uri, json!({}), workers),
        settings(workers, memory),
        Controls::default(),
    );
    let (tables, outcome) = tokio::time::timeout(STUCK, run).await.expect("it hangs");
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    tables.iter().map(|table| table.meter.retries.get()).sum()
}

async fn holds(server: &Server, name: &str, rows: i64) {
    let held = read_back(&server.client().await, name).await;
    let ids: Vec<_> = held.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, (0..rows).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_four_requests_at_once_gets_about_four() {
    for server in Server::both() {
        let name = server.fresh("four").await;
        let proxy = Proxy::start(&server.uri, &[]).await;
        proxy.take_at_once(4, 32);
        let retries = move_through(&proxy, &name, 32, 9_600, 64 << 20).await;
        let crowd = proxy.crowd();
        assert_eq!(crowd.iter().max(), Some(&32), "it begins with all workers");
        let refused = crowd.iter().filter(|at_once| **at_once > 4).count();
        assert_eq!(retries as usize, refused);
        // 28 at once, which is one piece of news, and then one now and then.
        let late = &crowd[crowd.len() / 2..];
        assert!(late.iter().all(|at_once| *at_once <= 8), "{late:?}");
        assert!(late.iter().filter(|at_once| **at_once > 4).count() <= late.len() / 4, "{late:?}");
        assert!(late.iter().any(|at_once| *at_once >= 3), "{late:?}");
        holds(&server, &name, 9_600).await;
        server.remove(&name).await;
    }
}

/// Workers that hold memory wait for their turn to send, and those whose turn it is wait for
/// nothing but the server.
#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_budget_and_32_workers_do_not_hang_on_a_busy_server() {
    let server = Server::lite();
    for memory in [1 << 10, 16 << 10, 1 << 20] {
        let name = server.fresh("smallest").await;
        let busy = [Fault::RateLimit, Fault::None, Fault::LoseAnswer, Fault::None, Fault::None];
        let proxy = Proxy::start(&server.uri, &busy.repeat(8)).await;
        let retries = move_through(&proxy, &name, 32, 4_000, memory).await;
        assert_eq!(retries, 16);
        holds(&server, &name, 4_000).await;
        server.remove(&name).await;
    }
}
