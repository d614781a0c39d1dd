//! Ordering: chunks arrive in any order; how many can be handed on in order.

/// Length of the run of consecutive numbers from `next` on in `arrived`, which is sorted.
pub fn ready_run(next: usize, arrived: &[usize]) -> usize {
    arrived
        .iter()
        .skip_while(|&&index| index < next)
        .zip(next..)
        .take_while(|&(&index, wanted)| index == wanted)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_ready_run_never_skips_a_gap(arrived in prop::collection::btree_set(0_usize..30, 0..30), next in 0_usize..30) {
            let sorted: Vec<usize> = arrived.iter().copied().collect();
            let run = ready_run(next, &sorted);
            prop_assert!((next..next + run).all(|i| arrived.contains(&i)));
            prop_assert!(!arrived.contains(&(next + run)));
        }
    }
}
