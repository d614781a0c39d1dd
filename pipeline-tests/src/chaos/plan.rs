//! Plan: which faults come in which order, from a seed alone. Pure, so that a seed that failed can be played again.

use super::random::Random;
use std::fmt;
use std::time::Duration;

/// A kind of process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Takes uploads, decodes, sends the outbox.
    Ingest,
    /// Analyses chunks.
    Worker,
    /// Matches chunks, completes recordings.
    Matcher,
}

impl Service {
    /// Number of processes at once: of each release ([`super::release`]) one, and of its workers two, so that one takes up what the
    /// other dropped.
    pub const fn slots(self) -> usize {
        match self {
            Self::Worker => 4,
            Self::Ingest | Self::Matcher => 2,
        }
    }

    /// Name of the service.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Worker => "worker",
            Self::Matcher => "matcher",
        }
    }
}

/// One process of a kind; the one that is started in its place after it ended has the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Its kind.
    pub service: Service,
    /// Its number.
    pub slot: usize,
}

/// Moment at which a process is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Wherever it stands.
    Now,
    /// So long after the broker has handed it a message.
    Taken(Duration),
    /// While it acknowledges a message: all is done, but the broker does not learn of it.
    Acknowledging,
    /// After the broker has confirmed a message: it is on its queue, but the sender does not learn of it.
    Confirmed,
    /// While it commits: nothing is committed.
    Committing,
    /// After it has committed, but does not learn of it.
    Committed,
}

/// Blow that strikes a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// kill -9.
    Kill,
    /// SIGTERM: it must end well by itself.
    Terminate,
    /// Its connection breaks.
    Cut,
    /// SIGSTOP, and SIGCONT so much later.
    Freeze(Duration),
}

/// Manner in which a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// In good order (for Postgres: fast).
    Orderly,
    /// Postgres' immediate shutdown: it recovers from its log at the next start.
    Immediate,
    /// kill -9.
    Kill,
}

/// One of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// RabbitMQ.
    Broker,
    /// Postgres.
    Database,
}

/// Resource that a broker may run short of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Memory.
    Memory,
    /// Disk space.
    Disk,
}

/// Moment at which an analysis of an old run arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Before the new run has any chunk.
    BeforeAnyChunk,
    /// After its chunk has been ordered anew, and before it is analysed anew.
    InPlaceOfTheNew,
}

/// A fault: something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process is struck: at a moment, whichever of its kind comes to it first; otherwise this one.
    Strike(Target, Moment, Blow),
    /// RabbitMQ is stopped and started again.
    RestartBroker(Stop),
    /// RabbitMQ is killed and its whole data directory deleted.
    WipeBroker,
    /// The broker is short of something for so long, and takes nothing that is published.
    Alarm(Resource, Duration),
    /// Postgres is stopped and started again.
    RestartDatabase(Stop),
    /// The broker closes all connections.
    CloseConnections,
    /// Postgres ends all backends.
    TerminateBackends,
    /// Nothing passes on the connections between a process and a server for so long, and neither end is told.
    HalfOpen(Target, Server, Duration),
    /// The object store's quota is used up for so long.
    FillStore(Duration),
    /// Rows of recordings in work are kept locked for so long, as by a person at the database.
    LockRows(Duration),
    /// Hundreds of corrections come to one ingest over connections that are closed at once.
    Flood,
    /// A recording is reprocessed while an analysis of its old run is sent, which arrives at this time.
    Reprocess(Arrival),
    /// A recording is reprocessed while its old run is decoded.
    ReprocessWhileDecoding,
    /// A recording is deleted while an analysis of it is sent.
    Delete,
}

impl Fault {
    /// Kind under which a report counts the fault.
    pub fn kind(&self) -> String {
        match self {
            Self::Strike(target, moment, blow) => {
                let blow = match blow {
                    Blow::Kill => "kill -9",
                    Blow::Terminate => "SIGTERM",
                    Blow::Cut => "connection cut",
                    Blow::Freeze(_) => "SIGSTOP for a while",
                };
                let moment = match moment {
                    Moment::Now => "wherever it stands",
                    Moment::Taken(_) => "with a message in hand",
                    Moment::Acknowledging => "as it acknowledges",
                    Moment::Confirmed => "before it learns of a confirm",
                    Moment::Committing => "before its commit",
                    Moment::Committed => "before it learns of its commit",
                };
                format!("{}: {blow}, {moment}", target.service.name())
            }
            Self::RestartBroker(Stop::Orderly) => "broker: restart".into(),
            Self::RestartBroker(_) => "broker: kill -9 and restart".into(),
            Self::WipeBroker => "broker: kill -9, all its data deleted".into(),
            Self::Alarm(Resource::Memory, _) => "broker: memory alarm".into(),
            Self::Alarm(Resource::Disk, _) => "broker: disk alarm".into(),
            Self::RestartDatabase(Stop::Orderly) => "Postgres: fast restart".into(),
            Self::RestartDatabase(Stop::Immediate) => "Postgres: immediate restart".into(),
            Self::RestartDatabase(Stop::Kill) => "Postgres: kill -9 and restart".into(),
            Self::CloseConnections => "broker: closes all connections".into(),
            Self::TerminateBackends => "Postgres: ends all backends".into(),
            Self::HalfOpen(_, Server::Broker, _) => "half-open connection to the broker".into(),
            Self::HalfOpen(_, Server::Database, _) => "half-open connection to Postgres".into(),
            Self::FillStore(_) => "object store: quota used up".into(),
            Self::LockRows(_) => "Postgres: rows of recordings in work locked".into(),
            Self::Flood => "ingest: a flood of corrections".into(),
            Self::Reprocess(Arrival::BeforeAnyChunk) => "reprocessed, an old analysis comes at once".into(),
            Self::Reprocess(Arrival::InPlaceOfTheNew) => {
                "reprocessed, an old analysis comes before the new one".into()
            }
            Self::ReprocessWhileDecoding => "reprocessed while it is decoded".into(),
            Self::Delete => "deleted while an analysis is on its way".into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// A fault, and how long after the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Pause before it.
    pub after: Duration,
    /// The fault.
    pub fault: Fault,
}

/// Sequence of faults, round after round: every round has every kind, in an order of its own.
pub struct Plan {
    random: Random,
    longest_pause: Duration,
    longest_freeze: Duration,
    round: std::vec::IntoIter<Fault>,
}

impl Plan {
    /// The plan of `seed`, with pauses up to `longest_pause` and processes frozen for up to `longest_freeze`.
    pub fn new(seed: u64, longest_pause: Duration, longest_freeze: Duration) -> Self {
        Self { random: Random::new(seed), longest_pause, longest_freeze, round: Vec::new().into_iter() }
    }

    /// One round alone.
    pub fn one_round(mut self) -> Vec<Step> {
        let first = self.next();
        let rest = self.round.len();
        first.into_iter().chain(self.take(rest)).collect()
    }

    fn milliseconds(&mut self, most: Duration) -> Duration {
        Duration::from_millis(self.random.between(0, most.as_millis() as u64))
    }

    fn target(&mut self, service: Service) -> Target {
        Target { service, slot: self.random.between(0, service.slots() as u64 - 1) as usize }
    }

    fn strike(&mut self, service: Service, moment: Moment, blow: Blow) -> Fault {
        Fault::Strike(self.target(service), moment, blow)
    }

    fn taken(&mut self) -> Moment {
        Moment::Taken(self.milliseconds(Duration::from_millis(1200)))
    }

    fn deal(&mut self) -> Vec<Fault> {
        use Service::{Ingest, Matcher, Worker};
        let seconds = Duration::from_secs;
        let mut faults = Vec::new();
        // Each kind of process at each of its moments, each time with another blow.
        let moments: [(Service, &[Option<Moment>]); 3] = [
            (Worker, &[None, None, Some(Moment::Acknowledging), Some(Moment::Confirmed)]),
            (
                Matcher,
                &[None, Some(Moment::Acknowledging), Some(Moment::Committing), Some(Moment::Committed)],
            ),
            (
                Ingest,
                &[
                    None,
                    Some(Moment::Acknowledging),
                    Some(Moment::Confirmed),
                    Some(Moment::Committing),
                    Some(Moment::Committed),
                ],
            ),
        ];
        for (service, moments) in moments {
            for moment in moments {
                let moment = moment.unwrap_or_else(|| self.taken());
                let blow = self.random.of(&[Blow::Kill, Blow::Kill, Blow::Cut]);
                faults.push(self.strike(service, moment, blow));
            }
            let moment = self.taken();
            faults.push(self.strike(service, moment, Blow::Terminate));
            let moment = self.random.of(&[Moment::Now, moment]);
            faults.push(self.strike(service, moment, Blow::Kill));
            let frozen = seconds(self.random.between(2, self.longest_freeze.as_secs()));
            let moment = self.random.of(&[Moment::Now, moment]);
            faults.push(self.strike(service, moment, Blow::Freeze(frozen)));
        }
        faults.push(Fault::RestartBroker(self.random.of(&[Stop::Orderly, Stop::Kill])));
        faults.push(Fault::WipeBroker);
        for resource in [Resource::Memory, Resource::Disk] {
            faults.push(Fault::Alarm(resource, seconds(self.random.between(5, 20))));
        }
        faults.push(Fault::RestartDatabase(self.random.of(&[Stop::Orderly, Stop::Immediate])));
        faults.push(Fault::RestartDatabase(Stop::Kill));
        faults.push(Fault::CloseConnections);
        faults.push(Fault::TerminateBackends);
        let service = self.random.of(&[Ingest, Worker, Matcher]);
        let (target, silent) = (self.target(service), seconds(self.random.between(5, 40)));
        faults.push(Fault::HalfOpen(target, Server::Broker, silent));
        let service = self.random.of(&[Ingest, Matcher]);
        let (target, silent) = (self.target(service), seconds(self.random.between(3, 15)));
        faults.push(Fault::HalfOpen(target, Server::Database, silent));
        faults.push(Fault::FillStore(seconds(self.random.between(3, 12))));
        faults.push(Fault::LockRows(seconds(self.random.between(4, 20))));
        faults.push(Fault::Flood);
        for _ in 0..3 {
            let moment = self.taken();
            faults.push(self.strike(Worker, moment, Blow::Kill));
        }
        faults.extend([Arrival::BeforeAnyChunk, Arrival::InPlaceOfTheNew].map(Fault::Reprocess));
        faults.extend([Fault::ReprocessWhileDecoding, Fault::Delete]);
        self.random.shuffle(&mut faults);
        faults
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let fault = match self.round.next() {
            Some(fault) => fault,
            None => {
                self.round = self.deal().into_iter();
                self.round.next()?
            }
        };
        Some(Step { after: self.milliseconds(self.longest_pause), fault })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn plan(seed: u64) -> Vec<Step> {
        Plan::new(seed, Duration::from_secs(2), Duration::from_secs(8)).one_round()
    }

    #[test]
    fn a_seed_gives_the_same_faults_in_the_same_order_and_another_seed_others() {
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn every_round_kills_every_kind_of_process_and_breaks_every_server() {
        for seed in 0..200 {
            let faults: Vec<Fault> = plan(seed).into_iter().map(|step| step.fault).collect();
            let killed: BTreeSet<&str> = faults
                .iter()
                .filter_map(|fault| match fault {
                    Fault::Strike(target, _, Blow::Kill) => Some(target.service.name()),
                    _ => None,
                })
                .collect();
            assert_eq!(killed.len(), 3, "seed {seed}: {killed:?}");
            for needed in [Fault::WipeBroker, Fault::CloseConnections, Fault::TerminateBackends] {
                assert!(faults.contains(&needed), "seed {seed}: no {needed}");
            }
            let has = |wanted: fn(&Fault) -> bool| faults.iter().any(wanted);
            assert!(has(|f| matches!(f, Fault::RestartDatabase(Stop::Kill))), "seed {seed}");
            assert!(has(|f| matches!(f, Fault::RestartBroker(_))), "seed {seed}");
            assert!(has(|f| matches!(f, Fault::FillStore(_))), "seed {seed}");
            assert!(has(|f| matches!(f, Fault::Delete)), "seed {seed}");
            assert!(has(|f| matches!(f, Fault::LockRows(_))), "seed {seed}");
            assert!(has(|f| matches!(f, Fault::Flood)), "seed {seed}");
            assert!(has(|f| matches!(f, Fault::Alarm(Resource::Memory, _))), "seed {seed}");
            assert!(has(|f| matches!(f, Fault::Alarm(Resource::Disk, _))), "seed {seed}");
        }
    }
}
