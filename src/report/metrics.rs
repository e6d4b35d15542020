//! Metrics for Prometheus, served over HTTP while a run works.
//!
//! | metric | type | labels |
//! |---|---|---|
//! | `vecpipe_rows_{read,deduplicated,remapped,rejected,skipped,written,replaced}_total` | counter | `table`, `target` |
//! | `vecpipe_bytes_read_total`, `vecpipe_retries_total` | counter | `table`, `target` |
//! | `vecpipe_stage_seconds` | gauge that only grows | `table`, `target`, `stage` |
//! | `vecpipe_rows_planned` | gauge | `table`, `target` |
//! | `vecpipe_table_complete` | gauge, 0 or 1 | `table`, `target` |
//! | `vecpipe_memory_budget_bytes`, `vecpipe_memory_free_bytes` | gauge | |
//! | `vecpipe_write_limit` | gauge: requests that may be on their way to the target | |
//! | `vecpipe_write_request_bytes` | gauge: bytes of the largest one | |
//!
//! The last two are of servers, which they follow. Times are a gauge because the library's counters hold whole numbers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Label, counter, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::flow::{Pipeline, TableRun, TableState};

/// How often the values served are taken from the engine's counters.
const REFRESH: Duration = Duration::from_millis(500);

/// An HTTP listener that serves metrics until it is dropped.
pub struct MetricsServer {
    recorder: PrometheusRecorder,
    tasks: Vec<JoinHandle<()>>,
}

impl MetricsServer {
    /// Listens at `address`. There is nothing to see before [`watch`](Self::watch). To be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) when the address can't be listened at.
    pub fn listen(address: SocketAddr) -> Result<Self> {
        let (recorder, exporter) =
            PrometheusBuilder::new().with_http_listener(address).build().map_err(|error| {
                Error::config(format!("Cannot serve metrics at {address}"))
                    .because(error)
                    .help("choose an address of this machine and a port that is free")
            })?;
        let serving = tokio::spawn(async move {
            if exporter.await.is_err() {
                tracing::warn!(%address, "Metrics are not served any more");
            }
        });
        Ok(MetricsServer { recorder, tasks: vec![serving] })
    }

    /// Serves the counters of `tables` and the state of their pipeline from now on.
    pub fn watch(&mut self, tables: &[Arc<TableRun>], pipeline: Arc<Pipeline>) {
        let (series, memory, load) = metrics::with_local_recorder(&self.recorder, || {
            let series: Vec<_> =
                tables.iter().map(|table| (Arc::clone(table), Series::new(table))).collect();
            gauge!("vecpipe_memory_budget_bytes").set(pipeline.budget.total_bytes() as f64);
            let load = pipeline
                .sink
                .write_load()
                .map(|_| (gauge!("vecpipe_write_limit"), gauge!("vecpipe_write_request_bytes")));
            (series, gauge!("vecpipe_memory_free_bytes"), load)
        });
        self.tasks.push(tokio::spawn(async move {
            loop {
                memory.set(pipeline.budget.free_bytes() as f64);
                if let (Some((writes, bytes)), Some(now)) = (&load, pipeline.sink.write_load()) {
                    writes.set(now.writes as f64);
                    bytes.set(now.request_bytes as f64);
                }
                for (table, series) in &series {
                    series.update(table);
                }
                tokio::time::sleep(REFRESH).await;
            }
        }));
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// The metrics of one table.
struct Series {
    rows_read: Counter,
    rows_deduplicated: Counter,
    rows_remapped: Counter,
    rows_rejected: Counter,
    rows_skipped: Counter,
    rows_written: Counter,
    rows_replaced: Counter,
    bytes_read: Counter,
    retries: Counter,
    complete: Gauge,
    /// In the order of [`Times::named`](crate::flow::Times::named).
    stages: Vec<Gauge>,
}

impl Series {
    fn new(table: &TableRun) -> Self {
        let labels = vec![
            Label::new("table", table.plan.source.name.clone()),
            Label::new("target", table.plan.target.plan.target.clone()),
        ];
        let counter = |name: &'static str| counter!(name, labels.clone());
        gauge!("vecpipe_rows_planned", labels.clone()).set(table.plan.source.rows as f64);
        let stages = table.meter.totals().times.named().map(|(stage, _)| {
            let mut labels = labels.clone();
            labels.push(Label::new("stage", stage.replace(' ', "_")));
            gauge!("vecpipe_stage_seconds", labels)
        });
        Series {
            rows_read: counter("vecpipe_rows_read_total"),
            rows_deduplicated: counter("vecpipe_rows_deduplicated_total"),
            rows_remapped: counter("vecpipe_rows_remapped_total"),
            rows_rejected: counter("vecpipe_rows_rejected_total"),
            rows_skipped: counter("vecpipe_rows_skipped_total"),
            rows_written: counter("vecpipe_rows_written_total"),
            rows_replaced: counter("vecpipe_rows_replaced_total"),
            bytes_read: counter("vecpipe_bytes_read_total"),
            retries: counter("vecpipe_retries_total"),
            complete: gauge!("vecpipe_table_complete", labels.clone()),
            stages: stages.into(),
        }
    }

    fn update(&self, table: &TableRun) {
        let totals = table.meter.totals();
        self.rows_read.absolute(totals.rows_read);
        self.rows_deduplicated.absolute(totals.rows_deduplicated);
        self.rows_remapped.absolute(totals.rows_remapped);
        self.rows_rejected.absolute(totals.rows_rejected);
        self.rows_skipped.absolute(totals.rows_skipped);
        self.rows_written.absolute(totals.rows_written);
        self.rows_replaced.absolute(totals.rows_replaced);
        self.bytes_read.absolute(totals.bytes_read);
        self.retries.absolute(totals.retries);
        self.complete.set(f64::from(u8::from(table.state() == TableState::Done)));
        for (gauge, (_, time)) in self.stages.iter().zip(totals.times.named()) {
            gauge.set(time.as_secs_f64());
        }
    }
}
