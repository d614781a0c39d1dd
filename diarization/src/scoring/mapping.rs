//! The one-to-one mapping of hypothesis speakers onto reference speakers with the most time shared.
//!
//! Several mappings may share the same time: DER cannot tell them apart but JER can. The one with the
//! greatest sum of Jaccard indices is taken, so that JER does not hang on how speakers happen to be named.

use pathfinding::kuhn_munkres::kuhn_munkres;
use pathfinding::matrix::Matrix;

use super::sweep::Tally;

/// A Jaccard index of 1, in the fixed point that ties are broken in.
pub(super) const JACCARD_ONE: i128 = 1_000_000_000_000;

/// A reference speaker and the hypothesis speaker mapped to it, by index; they share some time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) reference: usize,
    pub(super) hypothesis: usize,
}

/// The best mapping, in the order of the reference speakers.
pub(super) fn best(tally: &Tally) -> Vec<Pair> {
    let (references, hypotheses) = (tally.by_reference.len(), tally.by_hypothesis.len());
    if references == 0 || hypotheses == 0 {
        return Vec::new();
    }
    // Time comes first: one tick outweighs every Jaccard index together. With times below 2^49 ticks and a
    // million speakers that stays far below the limits of i128.
    let tick = JACCARD_ONE * (references.min(hypotheses) as i128 + 1);
    let weight = |pair: Pair| i128::from(shared(tally, pair)) * tick + jaccard(tally, pair);

    // The solver wants at least as many columns as rows.
    let transposed = references > hypotheses;
    let pair = |row, column| {
        let (reference, hypothesis) = if transposed { (column, row) } else { (row, column) };
        Pair { reference, hypothesis }
    };
    let (rows, columns) = (references.min(hypotheses), references.max(hypotheses));
    let weights = Matrix::from_fn(rows, columns, |(row, column)| weight(pair(row, column)));
    let (_, column_of_row) = kuhn_munkres(&weights);

    let mut pairs: Vec<Pair> = column_of_row
        .into_iter()
        .enumerate()
        .map(|(row, column)| pair(row, column))
        .filter(|&pair| shared(tally, pair) > 0)
        .collect();
    pairs.sort_unstable_by_key(|pair| pair.reference);
    pairs
}

fn shared(tally: &Tally, pair: Pair) -> i64 {
    tally.shared[pair.reference][pair.hypothesis]
}

/// Time shared over time joined, in units of 1 / [`JACCARD_ONE`].
pub(super) fn jaccard(tally: &Tally, pair: Pair) -> i128 {
    let shared = i128::from(shared(tally, pair));
    let apart =
        i128::from(tally.by_reference[pair.reference]) + i128::from(tally.by_hypothesis[pair.hypothesis]);
    match apart - shared {
        0 => 0,
        joined => shared * JACCARD_ONE / joined,
    }
}
