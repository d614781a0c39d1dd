//! Ordering: chunks arrive in any order, some twice; they are handed on once each, in order.

use std::collections::BTreeMap;

/// Holds back what came too early.
#[derive(Debug)]
pub struct InOrder<T> {
    next: usize,
    waiting: BTreeMap<usize, T>,
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self { next: 0, waiting: BTreeMap::new() }
    }
}

impl<T> InOrder<T> {
    /// Takes item number `index`; returns the run that is ready now, in order. An item seen before changes nothing.
    pub fn push(&mut self, index: usize, item: T) -> Vec<T> {
        if index >= self.next {
            self.waiting.entry(index).or_insert(item);
        }
        let mut ready = Vec::new();
        while let Some(item) = self.waiting.remove(&self.next) {
            self.next += 1;
            ready.push(item);
        }
        ready
    }
}

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
        fn any_arrival_order_with_duplicates_comes_out_once_each_in_order(
            arrivals in prop::collection::vec(0_usize..20, 0..60).prop_shuffle()
        ) {
            let mut order = InOrder::default();
            let mut all: Vec<usize> = arrivals.iter().copied().chain(0..20).collect();
            all.rotate_left(arrivals.len() / 2);
            let out: Vec<usize> = all.into_iter().flat_map(|index| order.push(index, index)).collect();
            prop_assert_eq!(out, (0..20).collect::<Vec<_>>());
        }

        #[test]
        fn a_ready_run_never_skips_a_gap(arrived in prop::collection::btree_set(0_usize..30, 0..30), next in 0_usize..30) {
            let sorted: Vec<usize> = arrived.iter().copied().collect();
            let run = ready_run(next, &sorted);
            prop_assert!((next..next + run).all(|i| arrived.contains(&i)));
            prop_assert!(!arrived.contains(&(next + run)));
        }
    }
}
