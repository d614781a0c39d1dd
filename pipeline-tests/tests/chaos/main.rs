//! Chaos: real processes and real servers of their own, broken by seed; whatever was accepted completes, as one process would have it.
//!
//! The short form belongs to deploy/test. The long form, and the short one with a seed, are started by deploy/chaos.

mod alarms;
mod chaos;
mod outages;
