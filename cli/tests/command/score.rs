//! `throughline score`.

use crate::run::{interview, repository, text, throughline};

#[test]
fn our_interview_is_within_a_tenth_of_its_reference_and_not_within_a_ten_thousandth() {
    let folder = tempfile::tempdir().expect("a folder");
    let (found, reference) =
        (folder.path().join("found.rttm"), repository("deploy/samples/interview_3min.rttm"));
    let options = ["--labels", "interview", "--quiet", "--rttm", text(&found)];
    throughline(["diarize", text(&interview())].into_iter().chain(options)).succeeds();
    let score = |most: &str| {
        throughline(["score", text(&reference), text(&found), "--collar", "0.25", "--max-der", most])
    };
    let table = score("10").succeeds().stdout;
    assert!(table.contains("2 / 2") && table.contains("collar ±0.25 s"), "{table}");
    // Speaker 19 asks and says the first word, a short one.
    assert!(table.contains("Interviewer = ls-19") && table.contains("Respondent = ls-26"), "{table}");
    let complaint = score("0.01");
    assert_eq!(complaint.code, Some(1));
    assert!(complaint.complains().contains("the DER is above 0.01 %"));
}

#[test]
fn a_reference_has_no_error_against_itself() {
    let reference = repository("deploy/samples/interview_3min.rttm");
    let run = throughline(["score", text(&reference), text(&reference), "--max-der", "0"]).succeeds();
    assert!(run.stdout.contains("0.00 %"), "{}", run.stdout);
}

#[test]
fn a_file_that_is_not_rttm_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let bad = folder.path().join("bad.rttm");
    std::fs::write(&bad, "SPEAKER call 1 zero 1 <NA> <NA> anna <NA> <NA>\n").expect("it is written");
    let reference = repository("deploy/samples/interview_3min.rttm");
    let complaint = throughline(["score", text(&reference), text(&bad)]).complains();
    assert!(complaint.contains("bad.rttm") && complaint.contains("line 1"), "{complaint}");
}
