//! What every transform promises.

use arrow::compute::concat_batches;
use arrow_array::RecordBatch;
use vecpipe::flow::{Batch, Permit, SplitLeftOut};
use vecpipe::table::{Place, Role, TableSchema};
use vecpipe::transform::{SplitContext, Transform, TransformFactory};

use crate::common::read::{Way, read_table};
use crate::fixtures;

macro_rules! transform_contract {
    ($($name:ident => $factory:expr,)+) => {
        mod transforms {
            $(mod $name {
                transform_contract!(@tests $factory;
                    says_what_comes_out
                    does_not_depend_on_batches
                    keeps_the_rows_place
                    treats_ids_alone_as_it_treats_rows
                );
            })+
        }
    };
    (@tests $factory:expr; $($property:ident)+) => {
        use $crate::*;
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $property() {
            $crate::transform::$property(&*$factory).await;
        })+
    };
}

/// A table with an id, a vector and a scalar.
async fn input() -> (TableSchema, RecordBatch) {
    let source = fixtures::synthetic::rows(0, 1000);
    let table = source.tables().await.unwrap().remove(0);
    let rows = read_table(&*source, &table, 1, &Way::PLAIN.context()).await.unwrap();
    fixtures::with_scalar(&rows)
}

fn batch(rows: RecordBatch, first_row: u64) -> Batch {
    Batch { rows, place: Place::new("t", 3, first_row), permit: Permit::free() }
}

/// A split of which some rows are to be left out.
fn split() -> SplitContext {
    let rows = (0..1000).filter(|row| row % 7 == 3).collect();
    let left_out = SplitLeftOut { before: 0, rows: std::sync::Arc::new(rows) };
    SplitContext { left_out, ..SplitContext::default() }
}

fn apply(transform: &dyn Transform, rows: &RecordBatch, first_row: u64) -> Batch {
    transform.apply(batch(rows.clone(), first_row), &split()).unwrap()
}

pub async fn says_what_comes_out(factory: &dyn TransformFactory) {
    let (schema, rows) = input().await;
    let transform = factory.plan(&schema).unwrap();
    let out = apply(&*transform, &rows, 0);
    assert_eq!(out.rows.schema(), *transform.output().arrow());
    assert_eq!(Role::of(transform.output().id()), Role::Id);
    let nothing = apply(&*transform, &rows.slice(0, 0), 0);
    assert_eq!(nothing.rows.schema(), *transform.output().arrow());
    assert!(nothing.is_empty());
    assert!(TableSchema::new(transform.output().arrow().clone()).is_ok());
}

pub async fn does_not_depend_on_batches(factory: &dyn TransformFactory) {
    let (schema, rows) = input().await;
    let whole = apply(&*factory.plan(&schema).unwrap(), &rows, 0).rows;
    for size in [1, 7, 500] {
        let transform = factory.plan(&schema).unwrap();
        let parts: Vec<_> = (0..rows.num_rows())
            .step_by(size)
            .map(|start| {
                let part = rows.slice(start, size.min(rows.num_rows() - start));
                apply(&*transform, &part, start as u64).rows
            })
            .collect();
        assert!(concat_batches(transform.output().arrow(), &parts).unwrap() == whole);
    }
}

pub async fn keeps_the_rows_place(factory: &dyn TransformFactory) {
    let (schema, rows) = input().await;
    let transform = factory.plan(&schema).unwrap();
    let out = apply(&*transform, &rows, 77);
    assert_eq!((out.place.split, out.place.first_row), (3, 77));
}

pub async fn treats_ids_alone_as_it_treats_rows(factory: &dyn TransformFactory) {
    let (schema, rows) = input().await;
    let transform = factory.plan(&schema).unwrap();
    let (rows, cx) = (rows.slice(100, 300), split());
    let ids = rows.project(&[schema.id_index()]).unwrap();
    let alone = transform.apply_ids(batch(ids, 100), &cx).unwrap();
    assert_eq!(cx.meter.totals(), Default::default(), "looking at ids counts nothing");
    let whole = transform.apply(batch(rows, 100), &cx).unwrap();
    assert_eq!(alone.rows.column(0), whole.rows.column(transform.output().id_index()));
    assert_eq!(alone.place, whole.place);
    let left_out = cx.meter.rows_deduplicated.get();
    assert_eq!(whole.len() + left_out, 300);
    assert_eq!(whole.place.position, if left_out > 0 { 100 - 14 } else { 100 });
}
