//! Graphs (HNSW, NSG, NNDescent): passed over, since the vectors lie behind them.

use super::cursor::{Cursor, wrong};
use crate::error::Result;

/// Passes over an HNSW graph.
pub fn skip_hnsw(cursor: &mut Cursor<'_>) -> Result<()> {
    // Probabilities, neighbours of each level, levels, offsets, neighbours.
    for width in [8, 4, 4, 8, 4] {
        cursor.list(width, "the HNSW graph")?;
    }
    // Entry point, highest level, efConstruction, efSearch, and one that is no longer used.
    cursor.skip(5 * 4, "the HNSW graph")
}

/// Passes over an NSG graph: for each node its neighbours, up to a -1.
pub fn skip_nsg(cursor: &mut Cursor<'_>) -> Result<()> {
    let at = cursor.position();
    let nodes = cursor.i32("the NSG graph")?;
    let neighbours = cursor.i32("the NSG graph")?;
    cursor.skip(4 * 4, "the NSG graph")?;
    if cursor.u8("the NSG graph")? == 0 {
        return Ok(());
    }
    if nodes < 0 || neighbours < 0 {
        return Err(wrong("The size of the NSG graph", format!("{nodes} x {neighbours}"), at));
    }
    for _ in 0..nodes {
        // One more than the neighbours: the -1 is always there.
        for _ in 0..=neighbours {
            if cursor.i32("the NSG graph")? == -1 {
                break;
            }
        }
    }
    Ok(())
}

/// Passes over an NNDescent graph.
pub fn skip_nndescent(cursor: &mut Cursor<'_>) -> Result<()> {
    // Nodes, dimension, K, S, R, L, iterations, search_L, seed; then whether it was built.
    cursor.skip(9 * 4, "the NNDescent graph")?;
    cursor.u8("the NNDescent graph")?;
    cursor.list(4, "the NNDescent graph").map(|_| ())
}
