//! Services: what each process does with a message, a request or the passing of time. All of it is the services' own code; made
//! up are the samples that decoding finds, and what a worker finds in them.

use super::broker::{Broker, Held, Message, Tag};
use super::recording::{MODELS, Poison, Spec};
use super::work::{Control, Ended, Subject};
use bytes::Bytes;
use diarization::analysis::{BlockAnalysis, CONFIGURATION};
use diarization::audio::GiveUp;
use ingest::context::{Context, folder};
use ingest::decode::reader::{Fault, Reading, ReadyChunk, Whole};
use ingest::recordings::accept::{self, NewRecording};
use ingest::recordings::change;
use ingest::recordings::priority::Priority;
use ingest::recordings::wanted::Wanted;
use ingest::upkeep::{chunk_audio, erasure};
use ingest::{dead_letters, decode, outbox, release};
use matcher::database::Database;
use matcher::reconcile;
use matcher::republish::Watch;
use service_kit::budget::Budget;
use service_kit::delivery::Delivery;
use service_kit::handling::{Handling, Subscription};
use service_kit::messages::{self, ChunkAnalysed, ChunkJob, DecodeJob, Message as _, RecordingDecoded};
use service_kit::pauses::Pauses;
use service_kit::publisher::Publisher;
use service_kit::shutdown::Shutdown;
use service_kit::surroundings::Surroundings;
use service_kit::topology::{self, chunk_queue};
use service_kit::verdict::Verdict;
use sqlx::PgPool;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Interval of republishing.
pub const REPUBLISH_AFTER: Duration = Duration::from_secs(600);

/// An analysis that is none.
const RUBBISH: &[u8] = b"rubbish";

/// Observations of the handlers.
#[derive(Debug, Default)]
pub struct Seen {
    /// Attempts begun.
    pub attempts: BTreeMap<Subject, u32>,
    /// Attempts that failed.
    pub failures: BTreeMap<Subject, u32>,
    /// Subjects of messages refused for good.
    pub refused: BTreeSet<Subject>,
}

/// Analyses by recording, model and run.
type Analyses = HashMap<(usize, usize, i32), Rc<Vec<BlockAnalysis>>>;

/// All that processes share: servers, and the world outside.
pub struct Services {
    /// Postgres.
    pub pool: PgPool,
    /// The broker.
    pub broker: Broker,
    /// An ingest as it is configured; its model version is of no account.
    pub context: Context,
    /// Number of the model that new runs are pinned to.
    pub model: Cell<usize>,
    /// The recordings.
    pub recordings: Vec<Spec>,
    /// Fault of one chunk of each recording.
    pub poison: RefCell<Vec<Option<(u8, Poison)>>>,
    /// Observations of the handlers.
    pub seen: RefCell<Seen>,
    /// State that a matcher keeps about queues between looks.
    pub watch: RefCell<Option<Watch>>,
    /// Seconds passed.
    pub passed: Cell<Duration>,
    /// Time at which the simulation began.
    pub began: Instant,
    analyses: RefCell<Analyses>,
}

/// Subject of a message; `None` where it cannot be read.
pub fn subject(message: &Message) -> Option<Subject> {
    let (kind, body) = (message.kind(), message.body.as_slice());
    match kind.as_str() {
        DecodeJob::TYPE => {
            messages::decode::<DecodeJob>(&kind, body).ok().map(|m| (m.recording, m.run, DecodeJob::TYPE, 0))
        }
        ChunkJob::TYPE => messages::decode::<ChunkJob>(&kind, body)
            .ok()
            .map(|m| (m.recording, m.run, ChunkJob::TYPE, m.chunk)),
        ChunkAnalysed::TYPE => messages::decode::<ChunkAnalysed>(&kind, body)
            .ok()
            .map(|m| (m.recording, m.run, ChunkAnalysed::TYPE, m.chunk)),
        RecordingDecoded::TYPE => messages::decode::<RecordingDecoded>(&kind, body)
            .ok()
            .map(|m| (m.recording, m.run, RecordingDecoded::TYPE, 0)),
        _ => None,
    }
}

impl Services {
    /// Services over `pool` and a new broker, with `context` for ingest.
    pub fn new(pool: PgPool, context: Context, recordings: Vec<Spec>) -> Self {
        let poison = recordings.iter().map(|spec| spec.poison).collect();
        Self {
            pool,
            broker: Broker::default(),
            context,
            model: Cell::new(0),
            recordings,
            poison: RefCell::new(poison),
            seen: RefCell::default(),
            watch: RefCell::new(Some(Watch::default())),
            passed: Cell::default(),
            began: Instant::now(),
            analyses: RefCell::default(),
        }
    }

    /// Number of the recording `id`.
    pub fn index(&self, id: Uuid) -> Option<usize> {
        self.recordings.iter().enumerate().position(|(index, spec)| spec.id(index) == id)
    }

    /// Analysis of a recording, by model and run.
    pub fn analysis(&self, index: usize, model: usize, run: i32) -> Rc<Vec<BlockAnalysis>> {
        let mut analyses = self.analyses.borrow_mut();
        let analysis = || Rc::new(self.recordings[index].analysis(model, run));
        analyses.entry((index, model, run)).or_insert_with(analysis).clone()
    }

    /// Notes a failed attempt.
    pub fn failed(&self, about: Subject) {
        *self.seen.borrow_mut().failures.entry(about).or_default() += 1;
    }

    fn poison(&self, index: usize, chunk: u32) -> Option<Poison> {
        self.poison.borrow()[index].filter(|(at, _)| u32::from(*at) == chunk).map(|(_, poison)| poison)
    }

    fn ingest(&self, shutdown: Shutdown) -> Context {
        let model_version = MODELS[self.model.get()].0.to_owned();
        Context { shutdown, model_version, ..self.context.clone() }
    }

    /// Takes an upload in.
    pub async fn upload(self: Rc<Self>, index: usize, shutdown: Shutdown) -> Ended {
        let (spec, context) = (&self.recordings[index], self.ingest(shutdown));
        let id = spec.id(index);
        let object = format!("{}/upload", folder(id));
        let answered = async {
            context.objects.put(&object, Bytes::from_static(b"upload")).await.map_err(|e| e.to_string())?;
            let new = NewRecording {
                id,
                caller: String::new(),
                title: "made up".into(),
                file_stem: "made_up".into(),
                object: object.clone(),
                sha256: String::new(),
                bytes: 6,
                settings: spec.settings(),
                allow_gaps: spec.allow_gaps,
                chunk_blocks: spec.chunk_blocks.into(),
                priority: Priority::default(),
            };
            accept::accept(&context, &new, None).await.map(|_| ()).map_err(|e| e.to_string())
        };
        Ended::Answered(answered.await)
    }

    /// Starts a new run.
    pub async fn reprocess(self: Rc<Self>, index: usize, shutdown: Shutdown) -> Ended {
        let context = self.ingest(shutdown);
        // Every run of the simulation has analyses of its own.
        let wanted = Wanted { always: true, ..Wanted::default() };
        let begun = change::reprocess(&context, self.recordings[index].id(index), &wanted).await;
        Ended::Answered(begun.map(|_| ()).map_err(|error| error.to_string()))
    }

    /// Erases a recording.
    pub async fn delete(self: Rc<Self>, index: usize, shutdown: Shutdown) -> Ended {
        let erased = erasure::erase(&self.ingest(shutdown), self.recordings[index].id(index)).await;
        Ended::Answered(erased.map(|_| ()).map_err(|error| error.to_string()))
    }

    /// Deletes from the object store what must go.
    pub async fn clean(self: Rc<Self>, shutdown: Shutdown) -> Ended {
        let context = self.ingest(shutdown);
        let cleaned = async {
            erasure::pass(&context).await?;
            chunk_audio::pass(&context).await
        };
        Ended::Answered(cleaned.await.map_err(|error| error.to_string()))
    }

    /// Replays a dead letter.
    pub async fn replay(self: Rc<Self>, letter: i64, shutdown: Shutdown) -> Ended {
        let replayed = dead_letters::replay(&self.ingest(shutdown), letter).await;
        Ended::Answered(replayed.map(|_| ()).map_err(|error| error.to_string()))
    }

    /// Gives turns to what waits for them, and sends a batch of the outbox.
    pub async fn send(self: Rc<Self>, shutdown: Shutdown) -> Ended {
        let publisher = Publisher::over(self.broker.clone());
        let context = self.ingest(shutdown);
        if let Err(error) = release::pass(&context).await {
            return Ended::Answered(Err(error.to_string()));
        }
        match outbox::send_batch(&context, &publisher, &[]).await {
            Ok(_) => Ended::Passed,
            Err(error) => Ended::Answered(Err(error.to_string())),
        }
    }

    /// Looks at everything, as a matcher does now and then. It remembers the queues, unless it dies.
    pub async fn look(self: Rc<Self>, shutdown: Shutdown) -> Ended {
        let database = Database::new(self.pool.clone(), shutdown);
        let mut watch = self.watch.borrow_mut().take().unwrap_or_default();
        let now = self.began + self.passed.get();
        reconcile::round(&database, &self.broker, &mut watch, REPUBLISH_AFTER, now).await;
        *self.watch.borrow_mut() = Some(watch);
        Ended::Passed
    }

    /// Handles a delivery, as the process does that consumes its queue.
    pub async fn handle(
        self: Rc<Self>,
        control: Control,
        shutdown: Shutdown,
        tag: Tag,
        queue: String,
        message: Message,
    ) -> Ended {
        let about = subject(&message);
        let budget = Budget::of(&[("all of it", Duration::from_secs(600))]).expect("fits");
        let subscription = Subscription {
            queue: queue.clone(),
            budget,
            surroundings: Surroundings::default(),
            pauses: Pauses::none(),
            sends_on: false,
        };
        let publisher = Publisher::over(self.broker.clone());
        let handling = Handling {
            subscription: &subscription,
            shutdown: &shutdown,
            publisher: &publisher,
            by: "simulated",
        };
        let held = Held { broker: self.broker.clone(), tag };
        let handler = async |delivery: Delivery| {
            let about = about.filter(|_| queue != topology::DEAD);
            let attempts = |change: i32| {
                if let Some(about) = about {
                    let mut seen = self.seen.borrow_mut();
                    let attempts = seen.attempts.entry(about).or_default();
                    *attempts = attempts.saturating_add_signed(change);
                }
            };
            attempts(1);
            let verdict = self.act(&control, &shutdown, &queue, about, &publisher, delivery).await;
            if matches!(verdict, Verdict::Later(_)) {
                attempts(-1);
            }
            verdict
        };
        let delivery = Delivery::of(&message.properties, &message.body);
        Ended::Handled(handling.handle(&held, delivery, &handler).await)
    }

    async fn act(
        &self,
        control: &Control,
        shutdown: &Shutdown,
        queue: &str,
        about: Option<Subject>,
        publisher: &Publisher<Broker>,
        delivery: Delivery,
    ) -> Verdict {
        let database = || Database::new(self.pool.clone(), shutdown.clone());
        match queue {
            topology::DEAD => matcher::dead_letters::handle(&database(), delivery).await,
            topology::MATCH => {
                if let Some(about) = about
                    && let Ok(message) = delivery.message::<ChunkAnalysed>()
                    && let Some(index) = self.index(about.0)
                {
                    if message.analysis == RUBBISH {
                        self.seen.borrow_mut().refused.insert(about);
                    }
                    if self.poison(index, about.3) == Some(Poison::KillsMatcher) {
                        control.die::<()>().await;
                    }
                }
                matcher::handler::handle(&database(), delivery).await
            }
            topology::DECODE => {
                let context = self.ingest(shutdown.clone());
                match delivery.message::<DecodeJob>() {
                    Ok(job) => {
                        let index = self.index(job.recording);
                        let spec = index.map(|index| self.recordings[index].clone());
                        decode::handle(&context, job, |_, _, _, _| reading(spec)).await
                    }
                    Err(verdict) => verdict,
                }
            }
            _ => match self.analyse(control, queue, publisher, &delivery).await {
                Ok(()) => Verdict::Done,
                Err(verdict) => verdict,
            },
        }
    }

    /// Work of a worker, but for the inference.
    async fn analyse(
        &self,
        control: &Control,
        queue: &str,
        publisher: &Publisher<Broker>,
        delivery: &Delivery,
    ) -> Result<(), Verdict> {
        let model = MODELS.iter().position(|(version, _)| chunk_queue(version, CONFIGURATION) == queue);
        let model = model.expect("there are queues of known models alone");
        let job: ChunkJob = delivery.message()?;
        worker::job::fitting(&job, MODELS[model].0).map_err(Verdict::Reject)?;
        let missing = |error| Verdict::Reject(format!("the chunk is not in the object store: {error}"));
        self.context.objects.get(&job.object).await.map_err(missing)?;
        let index = self.index(job.recording).expect("there are jobs for known recordings alone");
        let about: Subject = (job.recording, job.run, ChunkJob::TYPE, job.chunk);
        let poison = self.poison(index, job.chunk);
        let analysis = match poison {
            Some(Poison::KillsWorker) => control.die().await,
            Some(Poison::FailsInWorker) => {
                self.failed(about);
                return Err(Verdict::Retry("the inference fails".into()));
            }
            Some(Poison::RefusedByWorker) => {
                self.seen.borrow_mut().refused.insert(about);
                return Err(Verdict::Reject("it can never be analysed".into()));
            }
            Some(Poison::Rubbish) => RUBBISH.to_vec(),
            Some(Poison::KillsMatcher) | None => {
                let blocks = self.analysis(index, model, job.run);
                let first = (job.first_block as usize).min(blocks.len());
                let end = (first + job.blocks as usize).min(blocks.len());
                rmp_serde::to_vec_named(&blocks[first..end]).expect("encodes")
            }
        };
        let message = ChunkAnalysed {
            recording: job.recording,
            run: job.run,
            chunk: job.chunk,
            model_version: job.model_version,
            configuration: job.configuration,
            analysis,
        };
        publisher.publish(topology::MATCH, &message).await.map_err(|error| Verdict::Wait(error.to_string()))
    }
}

/// Result of decoding an upload. The samples are made up, and so are not there; only their number counts.
fn reading(spec: Option<Spec>) -> Reading {
    let (sender, chunks) = mpsc::channel(1);
    let thread = tokio::spawn(async move {
        let Some(spec) = spec.filter(|spec| !spec.unreadable) else {
            return Err(Fault::File("this is no audio".into()));
        };
        for index in 0..spec.chunks() {
            let samples = spec.chunk_samples(index) as u64;
            let bytes = Bytes::from_static(b"samples");
            let ready = ReadyChunk { index, chunk: spec.chunk(index), samples, channels: 1, bytes };
            sender.send(ready).await.map_err(|_| Fault::Server("decoding was given up".into()))?;
        }
        Ok(Whole {
            samples: spec.samples() as u64,
            chunks: spec.chunks(),
            warnings: Vec::new(),
            peaks: Vec::new(),
        })
    });
    Reading { chunks, thread, give_up: GiveUp::default() }
}
