//! The services, simulated: thousands of schedules of what can go wrong, and those in which something once did.
//!
//! `THROUGHLINE_SIMULATION_SEED=N` replays the schedule of one seed and shortens it where it fails; `THROUGHLINE_SIMULATION_SCHEDULES` says how many are run, and
//! `THROUGHLINE_SIMULATION_FIRST` from which seed on.

mod reproductions;
mod schedules;
