//! Reproductions: schedules in which something once went wrong, or would if a guard were taken away; each by what it is about.

use pipeline_tests::simulation::op::Op::{
    self, Calm, Cut, Deliver, GoOn, LoseConfirm, Pass, Reconcile, Reprocess, Send, Stop, Upload, Wipe,
};
use pipeline_tests::simulation::op::Until::{Dies, End, Stands};
use pipeline_tests::simulation::recording::{Poison, Spec};
use pipeline_tests::simulation::runs::Ground;
use pipeline_tests::simulation::schedule::Schedule;

/// Three chunks of one block.
fn three_chunks() -> Spec {
    Spec {
        seed: 1,
        blocks: 3,
        last_frames: 1553,
        chunk_blocks: 1,
        allow_gaps: false,
        interview: true,
        unreadable: false,
        poison: None,
    }
}

fn goes_well(recording: Spec, ops: &[Op]) {
    let mut ground = Ground::new();
    goes_well_on(&mut ground, recording, ops);
    ground.close();
}

fn goes_well_on(ground: &mut Ground, recording: Spec, ops: &[Op]) {
    for narrow in [false, true] {
        let schedule =
            Schedule { recordings: vec![recording.clone()], ops: ops.to_vec(), replay: true, narrow };
        if let Err(failure) = ground.run_one(&schedule) {
            panic!("narrow: {narrow}: {}: {:#?}", failure.what, failure.events);
        }
    }
}

#[test]
fn a_matcher_that_dies_between_inbox_and_match_loses_nothing() {
    goes_well(three_chunks(), &[Upload(0, End), Calm(5), Deliver(2, Dies(1)), Deliver(2, Dies(3))]);
}

#[test]
fn chunks_that_arrive_last_first_are_matched_in_order() {
    let ops = [Upload(0, End), Calm(6), Deliver(3, End), Deliver(2, End), Deliver(1, End)];
    goes_well(three_chunks(), &ops);
}

#[test]
fn a_completion_that_is_overtaken_by_a_new_run_completes_nothing_and_keeps_nobody_waiting() {
    // Wherever the matcher stands in completing the first run, the second one begins meanwhile and is matched to its end.
    let mut ground = Ground::new();
    for point in 0..16 {
        let ops =
            [Upload(0, End), Calm(8), Deliver(0, Stands(point)), Reprocess(0, End), Calm(40), GoOn(0, End)];
        goes_well_on(&mut ground, three_chunks(), &ops);
    }
    ground.close();
}

#[test]
fn an_analysis_of_the_run_before_is_stale() {
    let ops =
        [Upload(0, End), Calm(4), Deliver(0, End), Reprocess(0, End), Send(End), Calm(3), Deliver(1, End)];
    goes_well(three_chunks(), &ops);
}

#[test]
fn what_a_wiped_broker_had_is_sent_again_at_the_next_look() {
    goes_well(three_chunks(), &[Upload(0, End), Reconcile(End), Calm(6), Wipe, Reconcile(End)]);
}

#[test]
fn what_a_wiped_broker_had_of_a_failed_recording_is_sent_again_once_a_replay_takes_it_up() {
    let recording = Spec { poison: Some((0, Poison::KillsMatcher)), ..three_chunks() };
    // All chunks are analysed; the first one's analysis has died five times, the others wait on the queue.
    let ops = [Upload(0, End), Reconcile(End), Calm(12), Wipe, Reconcile(End)];
    goes_well(recording, &ops);
}

#[test]
fn a_worker_that_lost_its_connection_and_does_not_know_doubles_nothing() {
    goes_well(three_chunks(), &[Upload(0, End), Calm(3), Deliver(0, Stands(1)), Cut, Calm(4), GoOn(0, End)]);
}

#[test]
fn a_worker_that_waits_to_send_its_analysis_and_is_told_to_stop_gives_its_job_back() {
    let ops = [Upload(0, End), Calm(2), Send(End), LoseConfirm, Deliver(0, End), Stop(0)];
    goes_well(three_chunks(), &ops);
}

#[test]
fn a_poison_chunk_is_tried_five_times_and_leaves_a_gap_until_it_is_repaired() {
    let mut ground = Ground::new();
    for poison in [
        Poison::KillsWorker,
        Poison::FailsInWorker,
        Poison::RefusedByWorker,
        Poison::Rubbish,
        Poison::KillsMatcher,
    ] {
        for allow_gaps in [false, true] {
            let recording = Spec { poison: Some((1, poison)), allow_gaps, ..three_chunks() };
            goes_well_on(&mut ground, recording, &[Upload(0, End), Calm(200), Pass(610), Reconcile(End)]);
        }
    }
    ground.close();
}
