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
    let der: f64 = headline[1].parse().unwrap_or_else(|_| panic!("{headline:?}"));
    assert!(der > 0.0 && der < 15.0, "{headline:?}");
    assert!(folder.path().join("interview_3min.rttm").is_file());
    let scored = bench(["--score-only", text(folder.path())]);
    // All columns but the last, which is the speed.
    let figures = |row: Vec<String>| row[..row.len() - 1].to_vec();
    assert_eq!(figures(row(&scored, "headline")), figures(headline));
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
    assert_eq!(row(&table, "first")[1], "2.50");
    assert_eq!(row(&table, "second")[1], "50.00");
    assert_eq!(row(&table, "headline")[1], "26.25");
}

#[test]
fn a_folder_without_references_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let complaint = throughline(["bench", text(folder.path())]).complains();
    assert!(complaint.contains("holds no audio file with an RTTM of the same name beside it"), "{complaint}");
}
