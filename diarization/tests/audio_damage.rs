//! Files changed at random must end in samples or in an error, never in a panic, a hang or a flood.
//!
//! Deterministic: the same rounds change the same bytes. THROUGHLINE_DAMAGE_ROUNDS asks for more rounds,
//! THROUGHLINE_FORMATS for another folder.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use diarization::audio::{SAMPLE_RATE, open};

const TIME_LIMIT: Duration = Duration::from_secs(60);
/// The longest sound of the folder is 10 s; silence that fills holes is limited to 10 minutes, and a
/// damaged rate stretches what there is by 16 at most.
const LONGEST_S: usize = 60 * 60;

/// A small generator (xorshift), so that the test needs no crate and never changes.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let head = bytes.len().min(600);
    match dice.below(4) {
        // Headers hold the claims that hurt.
        0 => (0..8).for_each(|_| bytes[dice.below(head)] = dice.below(256) as u8),
        1 => {
            let at = dice.below(head);
            bytes[at..].iter_mut().take(4).for_each(|byte| *byte = 0xff);
        }
        2 => (0..40).for_each(|_| {
            let at = dice.below(bytes.len());
            bytes[at] ^= 1 << dice.below(8);
        }),
        _ => bytes.truncate(dice.below(bytes.len()).max(1)),
    }
}

fn samples_of(path: &Path) -> usize {
    let Ok(mut stream) = open(path) else { return 0 };
    let mut count = 0;
    while let Ok(Some(samples)) = stream.next_samples() {
        count += samples.len();
    }
    count
}

#[test]
fn no_random_damage_makes_the_decoder_panic_hang_or_flood() {
    let folder = std::env::var_os("THROUGHLINE_FORMATS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats"), PathBuf::from);
    let rounds: u64 =
        std::env::var("THROUGHLINE_DAMAGE_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    let mut failures = Vec::new();
    for file in files.iter().filter(|file| file.is_file()) {
        let whole = std::fs::read(file).expect("readable");
        if whole.is_empty() || whole.len() > 100_000 {
            continue;
        }
        for round in 1..=rounds {
            let mut bytes = whole.clone();
            damage(&mut bytes, &mut Dice(round.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ whole.len() as u64));
            let name = format!("{} round {round}", file.file_name().unwrap_or_default().to_string_lossy());
            let path = scratch.path().join("damaged");
            std::fs::write(&path, bytes).expect("writable");
            let (send, receive) = mpsc::channel();
            std::thread::spawn(move || {
                // The receiver is gone only after the time limit.
                let _ = send.send(samples_of(&path));
            });
            match receive.recv_timeout(TIME_LIMIT) {
                Ok(count) if count > LONGEST_S * SAMPLE_RATE as usize => {
                    failures.push(format!("{name}: {count} samples"));
                }
                Ok(_) => {}
                Err(e) => failures.push(format!("{name}: panic or hang ({e})")),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
