//! State: where a recording stands, and what can be done with it next.

/// Next step for a recording that is in work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Chunks are ready in order from the cursor on.
    Match {
        /// Number of these chunks.
        chunks: usize,
    },
    /// All its chunks are matched.
    Finalise,
    /// A chunk or the number of chunks is missing.
    Wait,
}

/// Decides what to do next. `arrived` are the chunks in the inbox from the cursor on, sorted.
pub fn next(next_chunk: i32, chunk_count: Option<i32>, arrived: &[i32]) -> Next {
    if chunk_count.is_some_and(|count| next_chunk >= count) {
        return Next::Finalise;
    }
    let arrived: Vec<usize> = arrived.iter().filter_map(|&chunk| usize::try_from(chunk).ok()).collect();
    match usize::try_from(next_chunk).map_or(0, |next| diarization::ordering::ready_run(next, &arrived)) {
        0 => Next::Wait,
        chunks => Next::Match { chunks },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_a_gap() {
        assert_eq!(next(0, None, &[1, 2]), Next::Wait);
        assert_eq!(next(0, None, &[0, 1, 3]), Next::Match { chunks: 2 });
    }

    #[test]
    fn a_recording_is_finalised_only_when_the_number_of_its_chunks_is_known() {
        assert_eq!(next(3, None, &[]), Next::Wait);
        assert_eq!(next(2, Some(3), &[]), Next::Wait);
        assert_eq!(next(3, Some(3), &[]), Next::Finalise);
    }

    #[test]
    fn an_empty_recording_is_finalised_at_once() {
        assert_eq!(next(0, Some(0), &[]), Next::Finalise);
    }
}
