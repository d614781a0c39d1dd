//! Op: what can happen to the services, and lists of it made from a seed.

use super::recording::{Poison, Spec};
use super::schedule::Schedule;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Points that a cleaning has at most.
const CLEANING_POINTS: u8 = 10;
/// Cleanings, one after the other, in which an erasure ends.
const CLEANINGS: usize = 4;

/// Distance that a piece of work goes before something happens to it. Points ([`service_kit::points`]) are counted from where it
/// stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// To its end.
    End,
    /// Its process dies at the point of that number.
    Dies(u8),
    /// It stands still at the point of that number while others go on: it is slow.
    Stands(u8),
    /// The answer to the commit of that number is lost on its way.
    Unanswered(u8),
}

/// One thing that happens. Numbers pick among what there is at that moment, modulo how many that are; where there is nothing to
/// pick, nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A recording is uploaded.
    Upload(u8, Until),
    /// A recording is to be processed anew.
    Reprocess(u8, Until),
    /// A recording is deleted.
    Delete(u8, Until),
    /// An ingest sends a batch of the outbox.
    Send(Until),
    /// Some consumer is given a message, whichever of any queue.
    Deliver(u8, Until),
    /// A matcher looks at everything.
    Reconcile(Until),
    /// An ingest deletes from the object store what must go.
    Clean(Until),
    /// An operator replays a dead letter.
    Replay(u8, Until),
    /// Work that stood still goes on.
    GoOn(u8, Until),
    /// The process of work that stood still dies.
    Kill(u8),
    /// The process of work that stood still is told to stop, and its time is up.
    Stop(u8),
    /// A message is on its queue twice.
    Duplicate(u8),
    /// A message is lost.
    Lose(u8),
    /// Every connection to the broker breaks.
    Cut,
    /// The broker goes away.
    StopBroker,
    /// The broker is back.
    StartBroker,
    /// The broker loses everything it had.
    Wipe,
    /// The broker does not take the next message.
    Refuse,
    /// The broker takes the next message, and its confirm is lost.
    LoseConfirm,
    /// Seconds pass.
    Pass(u16),
    /// From here on new runs use the next model version.
    RollOut,
    /// The fault that made chunks of a recording fail is repaired.
    Repair(u8),
    /// So many steps go as they should.
    Calm(u8),
    /// So many steps go on, and in each something may die or stand still, by a seed.
    Rough(u8, u32),
}

/// Kinds of fault: a schedule has some of them, so that each is also met without the others.
#[derive(Clone, Copy)]
struct Faults {
    deaths: bool,
    standing: bool,
    broker: bool,
    messages: bool,
    users: bool,
    time: bool,
}

/// The schedule of `seed`: the same for ever, as long as this file stays as it is.
pub fn of_seed(seed: u64) -> Schedule {
    let mut random = StdRng::seed_from_u64(seed);
    let recordings: Vec<Spec> =
        (0..if random.random_bool(0.3) { 2 } else { 1 }).map(|_| spec(&mut random)).collect();
    let faults = Faults {
        deaths: random.random_bool(0.7),
        standing: random.random_bool(0.6),
        broker: random.random_bool(0.4),
        messages: random.random_bool(0.5),
        users: random.random_bool(0.5),
        time: random.random_bool(0.5),
    };
    let count = random.random_range(6..26);
    let mut ops = Vec::new();
    if random.random_bool(0.15) {
        ops.push(Op::RollOut);
    }
    ops.push(Op::Upload(0, until(&mut random, faults, 4)));
    for _ in 0..count {
        ops.push(op(&mut random, faults, recordings.len() as u8));
    }
    if faults.deaths && random.random_bool(0.6) {
        ops.push(Op::Rough(random.random_range(10..40), random.random()));
    }
    Schedule { recordings, ops, replay: random.random_bool(0.5), narrow: random.random_bool(0.5) }
}

/// Schedules in which cleaning dies at each of its points, both of what was deleted and of what is done: those made from seeds
/// get there too seldom.
pub fn of_cleaning() -> Vec<Schedule> {
    let schedules = (0..CLEANING_POINTS).flat_map(|point| {
        let dies = Until::Dies(point);
        let before = [
            [Op::Calm(20), Op::Delete(0, Until::End)],
            [Op::Calm(20), Op::Delete(0, dies)],
            [Op::Calm(60), Op::Pass(700)],
        ];
        before.map(|before| {
            let mut ops = vec![Op::Upload(0, Until::End)];
            ops.extend(before);
            for _ in 0..CLEANINGS {
                ops.extend([Op::Clean(dies), Op::Pass(2000)]);
            }
            let recording = spec(&mut StdRng::seed_from_u64(u64::from(point)));
            let recording = Spec { unreadable: false, poison: None, ..recording };
            Schedule { recordings: vec![recording], ops, replay: false, narrow: false }
        })
    });
    schedules.collect()
}

fn spec(random: &mut StdRng) -> Spec {
    let chunk_blocks = random.random_range(1..=2);
    let chunks = random.random_range(1..=3_u8);
    let blocks = (chunks - 1) * chunk_blocks + random.random_range(1..=chunk_blocks);
    let poison = random.random_bool(0.25).then(|| {
        let kind = match random.random_range(0..5) {
            0 => Poison::KillsWorker,
            1 => Poison::FailsInWorker,
            2 => Poison::RefusedByWorker,
            3 => Poison::Rubbish,
            _ => Poison::KillsMatcher,
        };
        (random.random_range(0..chunks), kind)
    });
    Spec {
        seed: random.random(),
        blocks,
        last_frames: random.random_range(1..=3552),
        chunk_blocks,
        allow_gaps: random.random_bool(0.4),
        interview: random.random_bool(0.5),
        unreadable: random.random_bool(0.07),
        poison,
    }
}

/// `points`: how many points the work may have.
fn until(random: &mut StdRng, faults: Faults, points: u8) -> Until {
    match random.random_range(0..100) {
        0..=19 if faults.deaths => Until::Dies(random.random_range(0..points)),
        20..=37 if faults.standing => Until::Stands(random.random_range(0..points)),
        38 if faults.deaths => Until::Unanswered(random.random_range(0..3)),
        _ => Until::End,
    }
}

/// Draws one step of [`Op::Rough`]: the message to deliver, how far its work goes, and whether work that stands goes on first.
pub fn rough(random: &mut StdRng) -> (usize, Until, bool) {
    let until = match random.random_range(0..20) {
        0..=4 => Until::Dies(random.random_range(0..8)),
        5..=7 => Until::Stands(random.random_range(0..8)),
        _ => Until::End,
    };
    (random.random_range(0..3), until, random.random_bool(0.4))
}

fn op(random: &mut StdRng, faults: Faults, recordings: u8) -> Op {
    loop {
        let which = random.random_range(0..recordings);
        let pick = random.random_range(0..12);
        let until = |random: &mut StdRng, points| until(random, faults, points);
        return match random.random_range(0..112) {
            0..=15 => Op::Send(until(random, 8)),
            16..=55 => Op::Deliver(pick, until(random, 10)),
            56..=60 => Op::Reconcile(until(random, 14)),
            61..=62 => Op::Upload(which, until(random, 4)),
            63..=70 => Op::Calm(random.random_range(1..24)),
            71..=75 if faults.deaths => Op::Rough(random.random_range(4..24), random.random()),
            76..=83 if faults.standing => Op::GoOn(pick, until(random, 8)),
            84..=85 if faults.standing && faults.deaths => Op::Kill(pick),
            86..=87 if faults.standing => Op::Stop(pick),
            88..=89 if faults.messages => Op::Duplicate(pick),
            90 if faults.messages => Op::Lose(pick),
            91 if faults.messages => Op::Refuse,
            92 if faults.messages => Op::LoseConfirm,
            93 if faults.broker => Op::Cut,
            94 if faults.broker => match random.random_range(0..3) {
                0 => Op::StopBroker,
                _ => Op::StartBroker,
            },
            95 if faults.broker => Op::Wipe,
            96..=98 if faults.time => Op::Pass([2, 12, 70, 610, 2000][random.random_range(0..5)]),
            99..=101 if faults.users => Op::Reprocess(which, until(random, 3)),
            102 if faults.users => Op::Delete(which, until(random, 3)),
            103..=106 => Op::Replay(pick, until(random, 3)),
            107..=108 if faults.users => Op::RollOut,
            109 => Op::Repair(which),
            110..=111 => Op::Clean(until(random, 8)),
            _ => continue,
        };
    }
}
