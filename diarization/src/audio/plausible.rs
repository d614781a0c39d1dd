//! Plausible: how long a file of so many bytes can be.

/// Bytes that a second takes at least, over a whole file: of silence, and of holes, nothing shorter was met. Speech takes 80 and more.
const BYTES_PER_SECOND: u64 = 4;
/// Seconds that any file may have besides.
const ALLOWED: u64 = 600;

/// Seconds that a file of so many bytes can have at most: a file that claims more was made to cost work.
pub fn longest_seconds(bytes: u64) -> u64 {
    ALLOWED.saturating_add(bytes / BYTES_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_muted_hour_of_ten_spoken_seconds_is_taken_and_a_day_in_a_few_bytes_is_not() {
        assert!(longest_seconds(10 * 3000) > 3600);
        assert!(longest_seconds(18_000) < 2 * 3600);
        assert!(longest_seconds(u64::MAX) > 86_400);
    }
}
