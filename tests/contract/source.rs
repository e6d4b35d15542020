//! What every source promises.

use arrow::compute::concat_batches;
use arrow_array::{Array, RecordBatch};
use futures::StreamExt;
use vecpipe::flow::ReadContext;
use vecpipe::source::{Columns, Source, SourceTable};
use vecpipe::table::Split;

use crate::common::read::{self, Way, batches_of};
use crate::support::no_hang;

/// A source with a few thousand rows in several splits, and one of the same kind without rows.
pub struct Fixture {
    pub source: Box<dyn Source>,
    pub empty: Box<dyn Source>,
    /// Whatever has to live as long as the sources.
    pub _keep: Box<dyn std::any::Any>,
}

macro_rules! source_contract {
    ($($name:ident => $fixture:expr,)+) => {
        mod sources {
            $(mod $name {
                source_contract!(@tests $fixture;
                    describes_itself_the_same_each_time
                    identifies_what_it_reads
                    gives_the_same_rows_in_any_way
                    covers_the_table_by_its_splits
                    survives_a_journal
                    resumes_from_any_row
                    gives_the_ids_alone
                    has_an_empty_table
                    frees_memory_and_threads_when_dropped
                    ends_when_cancelled
                    needs_no_more_than_one_batch_of_memory
                );
            })+
        }
    };
    (@tests $fixture:expr; $($property:ident)+) => {
        use $crate::*;
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $property() {
            let fixture: $crate::source::Fixture = $fixture;
            $crate::support::no_hang($crate::source::$property(&fixture)).await;
        })+
    };
}

async fn read_split(
    source: &dyn Source,
    table: &SourceTable,
    split: &Split,
    from_row: u64,
    cx: &ReadContext,
) -> RecordBatch {
    read::read_split(source, table, split, from_row, cx).await.unwrap()
}

async fn read_table(source: &dyn Source, table: &SourceTable, way: Way) -> RecordBatch {
    read::read_table(source, table, way.parallelism, &way.context()).await.unwrap()
}

async fn tables(source: &dyn Source) -> Vec<SourceTable> {
    let tables = source.tables().await.unwrap();
    assert!(!tables.is_empty());
    tables
}

pub async fn describes_itself_the_same_each_time(fixture: &Fixture) {
    let (one, two) = (tables(&*fixture.source).await, tables(&*fixture.source).await);
    assert_eq!(format!("{one:?}"), format!("{two:?}"));
    for (one, two) in one.iter().zip(&two) {
        let (one, two) = (fixture.source.fingerprint(one), fixture.source.fingerprint(two));
        assert_eq!(one.await.unwrap(), two.await.unwrap(), "what it is recognised by");
    }
    let mut names: Vec<_> = one.iter().map(|table| &table.name).collect();
    names.dedup();
    assert_eq!(names.len(), one.len(), "table names are unique");
}

pub async fn identifies_what_it_reads(fixture: &Fixture) {
    for table in tables(&*fixture.source).await {
        let one = fixture.source.read_locations(&table).await.unwrap();
        assert_eq!(one, fixture.source.read_locations(&table).await.unwrap());
        let is_made_up = fixture.source.kind() == "synthetic";
        assert_eq!(one.is_empty(), is_made_up, "{one:?}");
        assert!(one.iter().all(|location| location.overlaps(location)), "{one:?}");
    }
}

pub async fn gives_the_same_rows_in_any_way(fixture: &Fixture) {
    for table in tables(&*fixture.source).await {
        let plain = read_table(&*fixture.source, &table, Way::PLAIN).await;
        assert_eq!(plain.num_rows() as u64, table.rows, "announced and delivered");
        for (batch_rows, batch_bytes, parallelism) in
            [(7, 1 << 20, 1), (usize::MAX, 1 << 30, 4), (1000, 777, 3)]
        {
            let way = Way { batch_rows, batch_bytes, parallelism, ..Way::PLAIN };
            let rows = read_table(&*fixture.source, &table, way).await;
            assert!(rows == plain, "{way:?} gives other rows");
        }
    }
}

pub async fn covers_the_table_by_its_splits(fixture: &Fixture) {
    let mut several = false;
    for table in tables(&*fixture.source).await {
        let cx = Way::PLAIN.context();
        let mut next = 0;
        for (index, split) in table.splits.iter().enumerate() {
            assert_eq!((split.index as usize, split.first_row), (index, next), "a gap or overlap");
            let rows = read_split(&*fixture.source, &table, split, 0, &cx).await;
            assert_eq!(rows.num_rows() as u64, split.rows);
            next += split.rows;
        }
        assert_eq!(next, table.rows);
        several |= table.splits.len() > 2;
    }
    assert!(several, "the fixture is too small to show anything");
}

pub async fn survives_a_journal(fixture: &Fixture) {
    for table in tables(&*fixture.source).await {
        let cx = Way::PLAIN.context();
        for split in &table.splits {
            let text = serde_json::to_string(split).unwrap();
            let again: Split = serde_json::from_str(&text).unwrap();
            assert_eq!(*split, again);
            let rows = read_split(&*fixture.source, &table, &again, 0, &cx).await;
            assert!(rows == read_split(&*fixture.source, &table, split, 0, &cx).await);
        }
    }
}

pub async fn resumes_from_any_row(fixture: &Fixture) {
    for table in tables(&*fixture.source).await {
        let cx = Way { batch_rows: 50, ..Way::PLAIN }.context();
        for split in &table.splits {
            let all = read_split(&*fixture.source, &table, split, 0, &cx).await;
            let rows = split.rows;
            for from in [0, 1, 49, 50, rows / 3, rows / 2 + 1, rows - 1, rows] {
                let from = from.min(rows);
                let tail = read_split(&*fixture.source, &table, split, from, &cx).await;
                let start = usize::try_from(from).unwrap();
                assert!(tail == all.slice(start, all.num_rows() - start), "from row {from}");
            }
        }
    }
}

pub async fn gives_the_ids_alone(fixture: &Fixture) {
    for table in tables(&*fixture.source).await {
        let cx = Way { batch_rows: 100, ..Way::PLAIN }.context();
        for split in &table.splits {
            let all = read_split(&*fixture.source, &table, split, 0, &cx).await;
            let stream = fixture.source.open(&table, split, 0, Columns::Ids, &cx).unwrap();
            let ids = batches_of(stream, 0, &cx).await.unwrap();
            let schema = ids[0].schema();
            assert_eq!(schema.fields().len(), 1);
            assert_eq!(schema.field(0), table.schema.id());
            let ids = concat_batches(&schema, &ids).unwrap();
            assert_eq!(ids.column(0), all.column(table.schema.id_index()));
            assert_eq!(ids.column(0).null_count(), 0);
        }
    }
}

pub async fn has_an_empty_table(fixture: &Fixture) {
    for table in tables(&*fixture.empty).await {
        assert_eq!(table.rows, 0);
        let rows = read_table(&*fixture.empty, &table, Way::PLAIN).await;
        assert_eq!(rows.num_rows(), 0);
        assert!(table.schema.column().dim > 0);
    }
}

pub async fn frees_memory_and_threads_when_dropped(fixture: &Fixture) {
    let way = Way { batch_rows: 10, parallelism: 1, memory: 1 << 20, ..Way::PLAIN };
    for table in tables(&*fixture.source).await {
        let cx = way.context();
        for split in &table.splits {
            let mut stream = fixture.source.open(&table, split, 0, Columns::All, &cx).unwrap();
            let first = stream.next().await.unwrap().unwrap();
            assert!(!first.is_empty());
        }
        // The only thread is free again, and nobody holds memory.
        read_split(&*fixture.source, &table, &table.splits[0], 0, &cx).await;
        let all = cx.budget.reserve(cx.budget.total_bytes(), &cx.cancel);
        assert!(no_hang(all).await.is_ok());
    }
}

pub async fn ends_when_cancelled(fixture: &Fixture) {
    // The first batch takes all the memory, or the reader has more of that memory to send.
    let way = Way { batch_rows: 10, parallelism: 1, memory: 1, ..Way::PLAIN };
    for table in tables(&*fixture.source).await {
        let cx = way.context();
        let mut stream =
            fixture.source.open(&table, &table.splits[0], 0, Columns::All, &cx).unwrap();
        let first = stream.next().await.unwrap().unwrap();
        cx.cancel.cancel();
        let rest: Vec<_> = stream.by_ref().collect().await;
        // One batch may have been on its way.
        assert!(rest.len() <= 2, "{} batches came after the end", rest.len() - 1);
        let error = rest.last().unwrap().as_ref().unwrap_err();
        assert_eq!(error.kind(), vecpipe::Kind::Interrupted, "{error}");
        drop(first);
        // The thread is free for others.
        let other = Way { parallelism: 1, ..Way::PLAIN }.context();
        let cx = ReadContext { threads: cx.threads, ..other };
        read_split(&*fixture.source, &table, &table.splits[0], 0, &cx).await;
    }
}

pub async fn needs_no_more_than_one_batch_of_memory(fixture: &Fixture) {
    let way = Way { batch_rows: 64, memory: 1, parallelism: 8, ..Way::PLAIN };
    for table in tables(&*fixture.source).await {
        let rows = read_table(&*fixture.source, &table, way).await;
        assert_eq!(rows.num_rows() as u64, table.rows);
    }
}
