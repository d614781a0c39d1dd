//! `throughline bench`.

use crate::run::{repository, text, throughline};
use diarization::agglomeration::Bound;

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

/// A line of RTTM.
fn said(from: f64, seconds: f64, speaker: &str) -> String {
    format!("SPEAKER x 1 {from} {seconds} <NA> <NA> {speaker} <NA> <NA>\n")
}

#[test]
fn every_source_counts_once_and_peers_are_set_beside_ours_recording_by_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for name in ["one", "two", "ours", "worse", "same"] {
        std::fs::create_dir(at(name)).expect("a folder");
    }
    let write = |name: String, text: String| std::fs::write(at(&name), text).expect("it is written");
    let mut list = String::from("stem\tsource\tkind\n");
    for number in 0..12 {
        let (stem, part) = (format!("r{number}"), if number < 6 { "one" } else { "two" });
        write(format!("{part}/{stem}.wav"), String::new());
        write(format!("{part}/{stem}.rttm"), said(0.0, 10.0, "anna") + &said(10.0, 10.0, "ben"));
        // Ours misses two seconds of the twenty, the other gives a half of it to one speaker.
        let ours = said(0.0, 8.0, "1") + &said(10.0, 10.0, "2");
        write(format!("ours/{stem}.rttm"), ours.clone());
        write(format!("same/{stem}.rttm"), ours);
        write(format!("worse/{stem}.rttm"), said(0.0, 20.0, "1"));
        // Four sources of one, two, two and seven recordings.
        let source = ["a", "b", "b", "c", "c"].get(number).copied().unwrap_or("d");
        list += &format!("{stem}\t{source}\t{}\n", if number < 6 { "call" } else { "meeting" });
    }
    write("list.tsv".into(), list);
    let paths: Vec<_> = ["one", "two", "ours", "worse", "same", "list.tsv"].map(at).into();
    let [one, two, ours, worse, same, list] = [0, 1, 2, 3, 4, 5].map(|at| text(&paths[at]));
    let json = at("bench.json");
    let table = throughline([
        "bench",
        one,
        two,
        "--score-only",
        ours,
        "--sources",
        list,
        "--against",
        worse,
        "--against",
        same,
        "--json",
        text(&json),
    ]);
    let table = table.succeeds().stdout;
    assert_eq!(row(&table, "a ")[1..3], ["1", "10.00"]);
    assert_eq!(row(&table, "d ")[1..3], ["7", "10.00"]);
    assert_eq!(row(&table, "call ")[1], "6");
    let document: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(json).expect("is written")).expect("is JSON");
    let verdicts: Vec<(&str, &str)> = document["differences"]
        .as_array()
        .expect("differences")
        .iter()
        .filter(|it| it["rate"] == "DER")
        .map(|it| {
            let method = it["method"].as_str().expect("a name");
            (&method[method.len() - 4..], it["verdict"].as_str().expect("a verdict"))
        })
        .collect();
    assert_eq!(verdicts, [("orse", "worse than ours"), ("same", "inside the interval")]);
    assert_eq!(document["recordings"][0]["source"], "a");
    let missing = throughline(["bench", one, "--score-only", ours, "--against", two]).complains();
    assert!(missing.contains("holds no RTTM file that is named after a recording"), "{missing}");
    let twice = throughline(["bench", one, one, "--score-only", ours]).complains();
    assert!(twice.contains("have the same name"), "{twice}");
}

#[test]
fn a_setting_is_chosen_with_the_count_given_and_each_stage_has_its_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    // The same meeting for two sources.
    for name in ["a", "b"] {
        std::fs::copy(crate::run::clip(), at(&format!("{name}.flac"))).expect("it is copied");
        std::fs::write(at(&format!("{name}.rttm")), said(0.0, 6.0, "anna")).expect("it is written");
    }
    std::fs::write(at("SOURCES.tsv"), "stem\tsource\tkind\na\tone\tcall\nb\tother\tcall\n").expect("written");
    let json = at("bench.json");
    let command = ["bench", text(folder.path()), "--cross-validate", "--speed", "--json", text(&json)];
    let table = throughline(command).succeeds().stdout;
    let bound = Bound::default();
    let setting = format!("{:.2} + {:.2} ln s", bound.at_one_second, bound.per_log_second);
    let left_out = |line: &str| line.trim_start().starts_with("one ") && line.contains(&setting);
    assert!(table.lines().any(left_out), "{table}");
    assert!(row(&table, "difference ").join(" ").contains("inside the interval"), "{table}");
    let stages = ["segmentation ", "features ", "embedding ", "all, one thread "];
    let seconds = stages.map(|stage| {
        let row = row(&table, stage);
        row[row.len() - 4].parse::<f64>().unwrap_or_else(|_| panic!("{row:?}"))
    });
    assert!(seconds[0] > 0.0 && seconds[2] > 0.0 && seconds[0] + seconds[2] <= seconds[3], "{seconds:?}");
    assert!(table.contains("instruction set: "), "{table}");
    let document: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(json).expect("is written")).expect("is JSON");
    assert_eq!(document["recordings"][0]["count_given"]["found"], 1);
    assert_eq!(
        document["settings"][document["choice"]["of_all"].as_u64().expect("one") as usize],
        setting.as_str()
    );
}

#[test]
fn stress_is_put_together_from_conversations_with_its_sources() {
    let folder = tempfile::tempdir().expect("a folder");
    let (talks, made) = (folder.path().join("talks"), folder.path().join("made"));
    std::fs::create_dir(&talks).expect("a folder");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    // Two conversations of two who hum by turns, for five seconds each, with a second between.
    for (talk, names) in [("x", ["anna", "ben"]), ("y", ["carl", "dora"])] {
        let mut writer = hound::WavWriter::create(talks.join(format!("{talk}.wav")), spec).expect("a file");
        let mut reference = String::new();
        for turn in 0..20 {
            let step = 0.2 + 0.1 * (turn % 2) as f32;
            (0..80_000).for_each(|i| {
                writer.write_sample(((i as f32 * step).sin() * 9000.0) as i16).expect("is written")
            });
            (0..16_000).for_each(|i| writer.write_sample(i % 3 - 1).expect("is written"));
            reference += &said(6.0 * f64::from(turn), 5.0, names[turn as usize % 2]);
        }
        writer.finalize().expect("is written");
        std::fs::write(talks.join(format!("{talk}.rttm")), reference).expect("it is written");
    }
    let command = ["bench-data", text(&talks), text(&made), "--stress", "--each", "1", "--seed", "3"];
    let run = throughline(command).succeeds();
    assert!(run.stderr.contains("stress_even_6spk_3_00: the recordings have not enough voices"), "{run:?}");
    let table = throughline(["bench", text(&made), "--score-only", text(&made)]).succeeds().stdout;
    assert_eq!(row(&table, "talks ")[2], "0.00", "all are of the one source: {table}");
    for kind in ["alone ", "even ", "dominant ", "question ", "gated ", "faint ", "room "] {
        assert_eq!(row(&table, kind)[2], "0.00");
    }
    assert_eq!(row(&table, "1 ")[1], "3", "alone, gated and in a room: {table}");
}
