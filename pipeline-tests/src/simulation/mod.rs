//! Simulation: the services' own code, over a real Postgres and a made-up broker, driven through thousands of schedules of things
//! that go wrong. Deterministic: a schedule is a list of what happens ([`op`]), made from a seed or written out.
//!
//! A piece of [`work`] (a delivery, a request, a pass) runs from crash point to crash point, and at each its process can die or stand
//! still while others go on. [`services`] says what the work is, [`broker`] is the only server that is made up, [`world`] applies what
//! happens, [`check`] makes sure of what must hold after every step, [`settle`] of what must have come of it in the end, [`runs`] runs
//! many. What counts as a failure is written down in docs/simulation.md.

pub mod broker;
pub mod check;
pub mod happen;
pub mod op;
pub mod recording;
pub mod runs;
pub mod schedule;
pub mod services;
pub mod settle;
pub mod work;
pub mod world;
