//! Faults: does what the plan says, to the real parts.

use super::client::Clients;
use super::load;
use super::plan::{Arrival, Blow, Fault, Moment, Resource, Server, Service, Step, Stop, Target};
use super::posts::{Post, Posts};
use super::proxy::{Caught, Hold};
use super::quota::Quota;
use super::random::Random;
use super::release;
use super::resume::{JobInHand, Outage, job_in_hand};
use super::servers::Servers;
use super::wire::Event;
use chrono::Utc;
use sqlx::PgPool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Longest wait for a moment; then the fault comes without it.
const MOMENT_WITHIN: Duration = Duration::from_secs(20);
/// Longest wait for a sound process.
const SOUND_WITHIN: Duration = Duration::from_secs(20);
/// Time for which processes that could be faster than an old analysis stand still.
const STAND_STILL: Duration = Duration::from_millis(1500);
/// Analyses that are looked at for one of a recording in work.
const ANALYSES: usize = 3;
/// An attempt from which on a chunk is spared: faults enough on one chunk would bury it, and rightly.
const SPARED_FROM: i64 = 3;
/// Time after a fault that concerns everything in which its effects may be seen.
const AFTERMATH: Duration = Duration::from_secs(5);

/// A fault that came.
#[derive(Clone, Debug)]
pub struct Injected {
    /// The fault.
    pub fault: Fault,
    /// False where its moment did not come in time, and it came without.
    pub in_its_moment: bool,
}

/// An analysis that a worker sends, held in the proxy.
struct OnItsWay {
    worker: Target,
    caught: Caught,
    job: JobInHand,
}

/// Everything that can be broken.
pub struct Faults {
    /// The two servers.
    pub servers: Servers,
    /// The object store.
    pub quota: Arc<Quota>,
    /// The services.
    pub posts: Arc<Posts>,
    /// Clients that reprocess and delete.
    pub clients: Arc<Clients>,
    /// The database, past all proxies.
    pub pool: PgPool,
    /// Faults that came, in order.
    pub injected: Vec<Injected>,
    /// Chunks that a killed worker had in hand.
    pub killed: Vec<JobInHand>,
    outages: Arc<Mutex<Vec<Outage>>>,
    random: Random,
    healing: JoinSet<()>,
}

impl Faults {
    /// Nothing broken yet. `seed` decides how soon the supervisor starts again what has ended.
    pub fn new(
        seed: u64,
        servers: Servers,
        quota: Quota,
        posts: Arc<Posts>,
        clients: Arc<Clients>,
        pool: PgPool,
    ) -> Self {
        Self {
            servers,
            quota: Arc::new(quota),
            posts,
            clients,
            pool,
            injected: Vec::new(),
            killed: Vec::new(),
            outages: Arc::default(),
            random: Random::new(!seed),
            healing: JoinSet::new(),
        }
    }

    /// Times in which more than one process was struck.
    pub fn outages(&self) -> Vec<Outage> {
        self.outages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until everything that heals by itself has.
    pub async fn healed(&mut self) {
        while let Some(done) = self.healing.join_next().await {
            done.expect("healing does not fail");
        }
    }

    /// Does one step of the plan.
    pub async fn inject(&mut self, number: usize, step: Step) {
        tokio::time::sleep(step.after).await;
        let began = Utc::now();
        println!("{} fault {number}: {}", began.format("%H:%M:%S%.3f"), step.fault);
        let in_its_moment = match step.fault {
            Fault::Strike(target, moment, blow) => self.strike(target, moment, blow).await,
            Fault::RestartBroker(how) => self.restart(Server::Broker, how).await,
            Fault::RestartDatabase(how) => self.restart(Server::Database, how).await,
            Fault::WipeBroker => {
                self.servers.wipe_broker().await;
                true
            }
            Fault::Alarm(resource, long) => self.alarm(resource, long).await,
            Fault::CloseConnections => self.servers.close_connections().await > 0,
            Fault::TerminateBackends => self.servers.terminate_backends(&self.pool).await > 0,
            Fault::HalfOpen(target, server, silent) => self.half_open(target, server, silent).await,
            Fault::FillStore(long) => self.fill(long).await,
            Fault::LockRows(long) => self.lock_rows(long).await,
            Fault::Flood => load::flood(&self.posts, &self.pool).await,
            Fault::Reprocess(arrival) => self.reprocess_while_sending(arrival).await,
            Fault::ReprocessWhileDecoding => self.reprocess_while_decoding().await,
            Fault::Delete => self.delete_while_sending().await,
        };
        if !matches!(step.fault, Fault::Strike(_, _, Blow::Kill | Blow::Terminate | Blow::Cut)) {
            self.outage(began);
        }
        if !in_its_moment {
            println!("  it did not find its moment");
        }
        self.injected.push(Injected { fault: step.fault, in_its_moment });
    }

    fn outage(&self, began: chrono::DateTime<Utc>) {
        let outage = Outage { from: began, to: Utc::now() + AFTERMATH };
        self.outages.lock().unwrap_or_else(PoisonError::into_inner).push(outage);
    }

    /// Lets `heal` happen `after` a while, and notes the time until then as an outage.
    fn heal(&mut self, after: Duration, heal: impl Future<Output = ()> + Send + 'static) {
        let (from, outages) = (Utc::now(), Arc::clone(&self.outages));
        self.healing.spawn(async move {
            tokio::time::sleep(after).await;
            heal.await;
            let outage = Outage { from, to: Utc::now() + AFTERMATH };
            outages.lock().unwrap_or_else(PoisonError::into_inner).push(outage);
        });
    }

    /// The post of `target`, or another of its kind where that one lies down already.
    async fn sound(&self, target: Target) -> Option<Target> {
        let deadline = tokio::time::Instant::now() + SOUND_WITHIN;
        let slots = target.service.slots();
        while tokio::time::Instant::now() < deadline {
            let others = (0..slots).map(|more| Target { slot: (target.slot + more) % slots, ..target });
            if let Some(sound) = others.into_iter().find(|other| self.posts.post(*other).is_sound()) {
                return Some(sound);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }

    async fn strike(&mut self, target: Target, moment: Moment, blow: Blow) -> bool {
        let start_after = Duration::from_millis(self.random.between(0, 1500));
        let Some(target) = self.sound(target).await else { return false };
        let posts = Arc::clone(&self.posts);
        let (came, target, caught) = self.moment(target, moment).await;
        let post = posts.post(target);
        if target.service == Service::Worker && blow != Blow::Terminate {
            let in_hand = job_in_hand(&post.lines());
            if in_hand.as_ref().is_some_and(|job| job.attempt >= SPARED_FROM) {
                println!("  spared: the chunk in hand was struck often enough");
                caught.into_iter().for_each(Caught::let_go);
                return false;
            }
            if blow == Blow::Kill {
                self.killed.extend(in_hand);
            }
        }
        match blow {
            Blow::Kill => post.kill(start_after),
            Blow::Terminate => {
                post.terminate(start_after);
                caught.into_iter().for_each(Caught::let_go);
            }
            Blow::Cut => match (moment, &post.database) {
                (Moment::Committing | Moment::Committed, Some(database)) => database.cut(),
                _ => post.broker.cut(),
            },
            Blow::Freeze(long) => {
                post.freeze();
                caught.into_iter().for_each(Caught::let_go);
                let posts = Arc::clone(&self.posts);
                self.heal(long, async move { posts.post(target).thaw() });
            }
        }
        came
    }

    /// Waits for `moment` at whichever process of the target's kind comes to it first: whether one did, which, and what is held.
    async fn moment(&self, target: Target, moment: Moment) -> (bool, Target, Option<Caught>) {
        let (event, hold) = match moment {
            Moment::Now => return (true, target, None),
            Moment::Taken(_) => (Event::Deliver, Hold::Nothing),
            Moment::Acknowledging => (Event::Acknowledge, Hold::Message),
            Moment::Confirmed => (Event::Confirm, Hold::Message),
            Moment::Committing => (Event::Commit, Hold::Message),
            Moment::Committed => (Event::Commit, Hold::Answer),
        };
        let caught = self.catch(target.service, event, hold).await;
        if let Moment::Taken(after) = moment {
            tokio::time::sleep(after).await;
        }
        match caught {
            Some((target, caught)) => (true, target, Some(caught)),
            None => (false, target, None),
        }
    }

    /// The first `event` at a process of a kind.
    async fn catch(&self, service: Service, event: Event, hold: Hold) -> Option<(Target, Caught)> {
        let traps = self.posts.of(service).filter(|post| post.is_sound()).map(|post| {
            Box::pin(async move {
                let proxy = if event == Event::Commit { post.database.as_ref()? } else { &post.broker };
                Some((post.target, proxy.catch(event, hold, MOMENT_WITHIN).await?))
            })
        });
        let mut traps: Vec<_> = traps.collect();
        while !traps.is_empty() {
            let (caught, _, rest) = futures::future::select_all(traps).await;
            if caught.is_some() {
                return caught;
            }
            traps = rest;
        }
        None
    }

    async fn restart(&mut self, server: Server, how: Stop) -> bool {
        self.servers.stop(server, how).await;
        tokio::time::sleep(Duration::from_millis(self.random.between(0, 2000))).await;
        self.servers.start_again(server).await;
        true
    }

    async fn half_open(&mut self, target: Target, server: Server, silent: Duration) -> bool {
        let posts = Arc::clone(&self.posts);
        let be_silent = move |silent: bool| match (server, &posts.post(target).database) {
            (Server::Database, Some(database)) => database.be_silent(silent),
            _ => posts.post(target).broker.be_silent(silent),
        };
        be_silent(true);
        self.heal(silent, async move { be_silent(false) });
        true
    }

    async fn alarm(&mut self, resource: Resource, long: Duration) -> bool {
        let raised = self.servers.raise_alarm(resource).await;
        self.heal(long, self.servers.clear_alarm(resource));
        raised
    }

    async fn fill(&mut self, long: Duration) -> bool {
        self.quota.fill().await;
        let quota = Arc::clone(&self.quota);
        self.heal(long, async move { quota.empty().await });
        true
    }

    async fn lock_rows(&mut self, long: Duration) -> bool {
        let Some(locked) = load::lock_rows(&self.pool).await else { return false };
        // Postgres itself may be struck meanwhile, and then they are free already.
        self.heal(long, async move { drop(locked.rollback().await) });
        true
    }

    /// Holds an analysis that a worker sends. After a wipe there are some of completed recordings: they pass.
    async fn analysis_on_its_way(&self) -> Option<OnItsWay> {
        for _ in 0..ANALYSES {
            let (worker, caught) = self.catch(Service::Worker, Event::Publish, Hold::Message).await?;
            let job = job_in_hand(&self.posts.post(worker).lines());
            match job {
                Some(job) if self.is_in_work(job.recording).await => {
                    return Some(OnItsWay { worker, caught, job });
                }
                _ => caught.let_go(),
            }
        }
        None
    }

    async fn is_in_work(&self, recording: Uuid) -> bool {
        let state = sqlx::query_scalar::<_, String>("SELECT state FROM recordings WHERE id = $1");
        let state = state.bind(recording).fetch_optional(&self.pool).await;
        matches!(state.ok().flatten().as_deref(), Some("queued" | "processing"))
    }

    /// The new run has the models of the release that the worker does not have.
    async fn reprocess_while_sending(&mut self, arrival: Arrival) -> bool {
        let Some(OnItsWay { worker, caught, job }) = self.analysis_on_its_way().await else { return false };
        let posts = Arc::clone(&self.posts);
        let other = |post: &&Post| post.is_sound() && release::at(post.target) != release::at(worker);
        let ingest = posts.of(Service::Ingest).find(other).and_then(|post| post.listen);
        let faster: Vec<&Post> = match arrival {
            Arrival::BeforeAnyChunk => posts.of(Service::Ingest).filter(|post| post.is_sound()).collect(),
            Arrival::InPlaceOfTheNew => posts.of(Service::Worker).filter(other).collect(),
        };
        if arrival == Arrival::InPlaceOfTheNew {
            faster.iter().for_each(|post| post.freeze());
        }
        let mut moved = match ingest {
            Some(ingest) => self.clients.reprocess_at(ingest, job.recording).await,
            None => false,
        };
        match arrival {
            Arrival::BeforeAnyChunk => faster.iter().for_each(|post| post.freeze()),
            Arrival::InPlaceOfTheNew => moved = moved && self.is_ordered(&job).await,
        }
        caught.let_go();
        tokio::time::sleep(STAND_STILL).await;
        faster.iter().for_each(|post| post.thaw());
        moved
    }

    /// Waits until the chunk of an old job has been ordered anew.
    async fn is_ordered(&self, old: &JobInHand) -> bool {
        let deadline = tokio::time::Instant::now() + MOMENT_WITHIN;
        while tokio::time::Instant::now() < deadline {
            let chunk = sqlx::query_scalar::<_, i32>(
                "SELECT chunk FROM chunks WHERE recording_id = $1 AND chunk = $2",
            );
            let chunk = chunk.bind(old.recording).bind(old.chunk as i32).fetch_optional(&self.pool).await;
            if chunk.is_ok_and(|chunk| chunk.is_some()) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    async fn delete_while_sending(&mut self) -> bool {
        let Some(OnItsWay { caught, job, .. }) = self.analysis_on_its_way().await else { return false };
        self.clients.delete(job.recording).await;
        caught.let_go();
        true
    }

    async fn reprocess_while_decoding(&mut self) -> bool {
        let Some((target, _)) = self.catch(Service::Ingest, Event::Deliver, Hold::Nothing).await else {
            return false;
        };
        let posts = Arc::clone(&self.posts);
        let post = posts.post(target);
        tokio::time::sleep(Duration::from_millis(self.random.between(50, 300))).await;
        post.freeze();
        let decoding: Option<Uuid> = sqlx::query_scalar(
            "SELECT id FROM recordings WHERE state IN ('queued', 'processing') AND chunk_count IS NULL
             ORDER BY updated_at DESC LIMIT 1",
        )
        .fetch_optional(&self.pool)
        .await
        .ok()
        .flatten();
        if let Some(recording) = decoding {
            // It may stand in a transaction that the reprocessing has to wait for.
            let patience = Duration::from_secs(5);
            let reprocessed = tokio::time::timeout(patience, self.clients.reprocess(recording)).await;
            tokio::time::sleep(STAND_STILL).await;
            post.thaw();
            if reprocessed.is_err() {
                self.clients.reprocess(recording).await;
            }
        }
        post.thaw();
        decoding.is_some()
    }
}
