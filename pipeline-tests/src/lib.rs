//! Tools for tests of the whole pipeline. They run the services as real processes in a corner of the real servers. There are an
//! oracle, a way to hold a service at a chosen statement, and a collector of traces. The tests are in `tests/pipeline`.
//!
//! Everything here panics where something is not as it should be: a missing server, program or model fails the test.

pub mod barrier;
pub mod chaos;
pub mod collector;
pub mod command;
pub mod eventually;
pub mod matches;
pub mod oracle;
pub mod process;
pub mod queues;
pub mod recordings;
pub mod remains;
pub mod simulation;
pub mod stack;
pub mod supervisor;

pub use barrier::Barrier;
pub use process::Process;
pub use stack::Stack;
pub use supervisor::Supervisor;
