//! Sides: what is heard of the two channels of files, and what becomes of them. See docs/decisions/0011.
//!
//!   cargo run --release -p diarization --example sides -- AUDIO...

use diarization::audio::{self, GiveUp, Wish};
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    println!("becomes    level dB    speaks  active s  alone s      share  correlation  file");
    for path in std::env::args().skip(1) {
        let path = Path::new(&path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let becomes = match audio::open_for(path, Wish::default(), u64::MAX, &GiveUp::default()) {
            Ok(stream) => stream.layout().done(),
            Err(error) => {
                println!("{name}: {error}");
                continue;
            }
        };
        let Some(heard) = audio::heard_of(path)? else {
            println!("{becomes:<9}  (not two channels)  {name}");
            continue;
        };
        let level = heard.levels_db.map(|db| db.map_or("-".to_owned(), |db| format!("{db:.0}")));
        let speaks = heard.speaks.map(|it| if it { "yes" } else { "no" });
        let [a, b] = heard.alone_s;
        println!(
            "{:<9}  {:>4} {:>4}  {:>3} {:>3}  {:>8.1}  {a:>5.1} {b:>5.1}  {:>5.2}  {:>11.2}  {name}",
            becomes.word(),
            level[0],
            level[1],
            speaks[0],
            speaks[1],
            heard.active_s,
            (a + b) / heard.active_s.max(1e-9),
            heard.correlation,
        );
    }
    Ok(())
}
