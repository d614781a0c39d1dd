//! A file from anybody: opening and decoding it never panics past the guard, stays within a bound of memory and of time.

#![no_main]

mod bounded;

use diarization::audio;
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

#[global_allocator]
static MEMORY: bounded::Memory = bounded::Memory;

/// Most that one file may have allocated at once.
const MOST_BYTES: usize = 192 << 20;
/// Samples that are decoded of one input at most: two minutes, so that a file that is nothing but long costs no time.
const MOST_SAMPLES: usize = 2 * 60 * 16_000;

/// The input as a file, in memory where the system has such a folder.
struct Input {
    path: PathBuf,
    file: File,
}

thread_local! {
    static INPUT: RefCell<Input> = RefCell::new(Input::new());
}

impl Input {
    fn new() -> Self {
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let path = folder.join(format!("throughline-fuzz-{}", std::process::id()));
        let file = File::create(&path).expect("makes the input file");
        Self { path, file }
    }

    fn fill(&mut self, data: &[u8]) {
        self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0))).expect("empties it");
        self.file.write_all(data).expect("writes it");
    }
}

fuzz_target!(
    init: {
        // The decoders' panics are caught in `diarization::audio` and count as damage; libFuzzer's hook would end the
        // process at them. Those that get through end it below.
        std::panic::set_hook(Box::new(|_| {}));
        // ffmpeg is another program; here only what is built in is tried.
        // SAFETY: no other thread reads the environment yet.
        unsafe { std::env::set_var("PATH", "") };
    },
    |data: &[u8]| {
        INPUT.with_borrow_mut(|input| {
            input.fill(data);
            bounded::start(MOST_BYTES);
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| decode(&input.path)));
            bounded::stop();
            if let Err(panic) = ended {
                let words = panic.downcast_ref::<String>().map(String::as_str);
                eprintln!("panicked: {}", words.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?"));
                std::process::abort();
            }
        });
    }
);

fn decode(path: &std::path::Path) {
    let Ok(mut stream) = audio::open(path) else { return };
    let mut samples = 0;
    while let Ok(Some(part)) = stream.next_samples() {
        assert!(!part.is_empty() && part.len() <= 16_000 && part.iter().all(|x| x.is_finite()));
        samples += part.len();
        if samples > MOST_SAMPLES {
            return;
        }
    }
    assert!(stream.warnings().len() <= 21);
}
