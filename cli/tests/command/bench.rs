//! `throughline bench`.

use crate::run::{repository, text, throughline};

/// The cells of the table row that begins with `name`.
fn row(table: &str, name: &str) -> Vec<String> {
    let line = table.lines().find(|line| line.trim_start().starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no line begins with {name}:\n{table}"));
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_bench_prints_the_headline_and_scores_the_files_that_it_wrote_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let samples = repository("deploy/samples");
    let only = ["bench", text(&samples), "--only", "3min"];
    let bench = |more: [&str; 2]| throughline(only.into_iter().chain(more)).succeeds().stdout;
    let measured = bench(["--rttm", text(folder.path())]);
    let headline = row(&measured, "headline");
    let der: f64 = headline[2].parse().unwrap_or_else(|_| panic!("{headline:?}"));
    assert!(der > 0.0 && der < 15.0, "{headline:?}");
    assert!(folder.path().join("interview_3min.rttm").is_file());
    let scored = bench(["--score-only", text(folder.path())]);
    // All columns but the last, which is the speed.
    let figures = |row: Vec<String>| row[..row.len() - 1].to_vec();
    assert_eq!(figures(row(&scored, "headline")), figures(headline));
}

#[test]
fn what_the_models_found_is_kept_and_a_peer_is_set_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| text(&folder.path().join(name)).to_owned();
    let samples = repository("deploy/samples");
    let (cache, peer, json, markdown) = (at("cache"), at("peer"), at("bench.json"), at("bench.md"));
    let bench = |more: &[&str]| {
        let command = ["bench", text(&samples), "--only", "3min", "--cache", &cache];
        throughline(command.into_iter().chain(more.iter().copied())).succeeds().stdout
    };
    let measured = bench(&["--rttm", &peer]);
    let again = bench(&["--against", &peer, "--json", &json, "--markdown", &markdown]);
    let figures = |table: &str| row(table, "headline")[..9].to_vec();
    assert_eq!(figures(&again), figures(&measured));
    assert_eq!(row(&again, "headline").last().map(String::as_str), Some("-"), "nothing ran that has a speed");
    let document: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(json).expect("is written")).expect("is JSON");
    let headline = &document["groups"].as_array().expect("groups").last().expect("a headline");
    assert_eq!(headline["last"]["der"], headline["peer"]["der"]);
    assert!(headline["in_order"]["der"].as_f64().expect("a rate") > 0.0);
    let markdown = std::fs::read_to_string(markdown).expect("is written");
    assert!(markdown.contains("| headline |") && markdown.contains("+0.0 %"), "{markdown}");
}

#[test]
fn recordings_put_together_from_single_speakers_can_be_benched() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    // Two "speakers" who hum at different pitches will do where nothing is inferred.
    for (name, step) in [("anna", 0.2_f32), ("ben", 0.3)] {
        std::fs::create_dir_all(at("speakers").join(name)).expect("a folder");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer =
            hound::WavWriter::create(at("speakers").join(name).join("1.wav"), spec).expect("a file");
        (0..80_000).for_each(|i| {
            writer.write_sample(((i as f32 * step).sin() * 9000.0) as i16).expect("is written")
        });
        writer.finalize().expect("is written");
    }
    let (speakers, made) = (at("speakers"), at("made"));
    let command = ["bench-data", text(&speakers), text(&made), "--kind", "call", "--each", "2"];
    throughline(command).succeeds();
    let table = throughline(["bench", text(&made), "--score-only", text(&made)]).succeeds().stdout;
    assert_eq!(row(&table, "headline")[2], "0.00");
    assert!(table.contains("call_0_01"), "{table}");
    let few = throughline(["bench-data", text(&speakers), text(&made), "--kind", "crowd"]).complains();
    assert!(few.contains("a crowd needs up to 12 speakers, there are 2"), "{few}");
}

#[test]
fn recordings_of_one_group_are_pooled_and_the_headline_is_the_mean_of_the_groups() {
    let folder = tempfile::tempdir().expect("a folder");
    let speech = |from: f64, seconds: f64, speaker: &str| {
        format!("SPEAKER x 1 {from} {seconds} <NA> <NA> {speaker} <NA> <NA>\n")
    };
    let write = |name: &str, text: String| {
        std::fs::write(folder.path().join(name), text).expect("it is written");
    };
    std::fs::create_dir(folder.path().join("found")).expect("a folder");
    // Of 10, 30 and 20 s of speech, 1, 0 and 10 s are missed.
    for (name, spoken, heard) in [("a", 10.0, 9.0), ("b", 30.0, 30.0), ("c", 20.0, 10.0)] {
        write(&format!("{name}.wav"), String::new());
        write(&format!("{name}.rttm"), speech(0.0, spoken, "anna"));
        write(&format!("found/{name}.rttm"), speech(0.0, heard, "S"));
    }
    write("GROUPS.tsv", "stem\tgroup\na\tfirst\nb\tfirst\nc\tsecond\n".into());
    let found = folder.path().join("found");
    let table = throughline(["bench", text(folder.path()), "--score-only", text(&found)]).succeeds().stdout;
    assert_eq!(row(&table, "first ")[2], "2.50");
    assert_eq!(row(&table, "second ")[2], "50.00");
    assert_eq!(row(&table, "headline")[2], "26.25");
}

#[test]
fn a_folder_without_references_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let complaint = throughline(["bench", text(folder.path())]).complains();
    assert!(complaint.contains("holds no audio file with an RTTM of the same name beside it"), "{complaint}");
}
