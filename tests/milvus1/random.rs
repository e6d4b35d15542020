//! Random tables come back exactly.

use proptest::prelude::*;
use serde_json::json;

use crate::common::read::{Way, read_table};
use crate::support::{Row, rows_of, source};
use crate::writer::{SegmentToWrite, vector, write};

const DIM: usize = 4;

fn segment() -> impl Strategy<Value = SegmentToWrite> {
    (prop::collection::vec(-50..50i64, 0..120), 0..8i64).prop_flat_map(|(ids, file_type)| {
        let rows = ids.len().max(1) as u32;
        let most = if ids.is_empty() { 0 } else { 40 };
        let deleted = prop::collection::vec(0..rows, 0..=most);
        deleted.prop_map(move |deleted| SegmentToWrite { ids: ids.clone(), deleted, file_type })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn random_tables_come_back_exactly(
        segments in prop::collection::vec(segment(), 0..5),
        batch_rows in 1..60usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "random", DIM, &segments);
        let mut expected: Vec<Row> = Vec::new();
        for (n, segment) in segments.iter().enumerate() {
            if matches!(segment.file_type, 1 | 2 | 7) {
                let rows = segment.ids.iter().enumerate();
                let alive = rows.filter(|(row, _)| !segment.deleted.contains(&(*row as u32)));
                expected.extend(alive.map(|(row, id)| (*id, vector(n, row, DIM))));
            }
        }
        expected.sort();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let way = Way { batch_rows, ..Way::PLAIN };
        let found = runtime.block_on(async {
            let source = source(folder.path(), json!({}));
            let table = source.tables().await.unwrap().remove(0);
            let one = read_table(&*source, &table, 1, &way.context()).await.unwrap();
            let eight = read_table(&*source, &table, 8, &way.context()).await.unwrap();
            assert_eq!(one, eight);
            one
        });
        prop_assert_eq!(rows_of(&found), expected);
    }
}
