//! Chaos: breaks real parts on purpose, by seed, and looks whether the answer is still the same.
//!
//! `plan` says what breaks when, `faults` breaks it: processes at chosen moments (`posts`, through the proxies of `proxy` and
//! `wire`), servers (`servers`), the object store (`quota`), rows and threads (`load`), half way through an upgrade of the models (`release`). Meanwhile
//! `client` uploads, `watch` looks at what is committed and `operator` replays what was buried for good reason; at the end `verify` compares everything with the oracle, and `report` tells.
//! docs/chaos.md says what counts as a failure.

pub mod client;
pub mod faults;
pub mod load;
pub mod operator;
pub mod plan;
pub mod posts;
pub mod proxy;
pub mod quota;
pub mod random;
pub mod release;
pub mod report;
pub mod resume;
pub mod run;
pub mod samples;
pub mod servers;
pub mod verify;
pub mod watch;
pub mod wire;
