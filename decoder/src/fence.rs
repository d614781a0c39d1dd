//! Fence: what the decoder's process takes away from itself before it looks at the file. What it starts inherits all of it.
//!
//! Three kinds, each of which holds where another is missing: limits on what it may use (setrlimit), Landlock for files, TCP and other
//! processes, and a filter of system calls ([`calls`]).

mod calls;

use crate::decoder::Limits;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::AsFd;

/// Most files that are open at a time: the upload a few times, pipes to ffmpeg.
const MOST_FILES: u64 = 64;

/// Programs and their libraries, which may be read and run. No such folder is for data.
const PROGRAMS: [&str; 6] = ["/usr", "/bin", "/lib", "/lib64", "/opt", "/nix/store"];
/// Paths that the loader of programs reads; Debian keeps some libraries of ffmpeg behind the links in the second.
const LOADER: [&str; 2] = ["/etc/ld.so.cache", "/etc/alternatives"];
/// ffmpeg is started without an input of its own.
const NOTHING: [&str; 1] = ["/dev/null"];

/// Parts of the fence that hold on this system; limits always do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// No files but the input and the system's programs: Landlock, since Linux 5.13.
    pub files: bool,
    /// No signals to processes outside: a newer Landlock, since Linux 6.12.
    pub signals: bool,
    /// No network, no look into other processes, no namespaces: the filter of system calls.
    pub calls: bool,
}

impl Fence {
    /// Parts that are missing of the fence, each a line for the operator.
    pub fn missing(&self) -> Vec<&'static str> {
        let parts = [
            (self.files, "Landlock (Linux 5.13 or newer): decoders can read what this user can read"),
            (
                self.signals,
                "signals in Landlock (Linux 6.12 or newer): decoders can end this user's processes",
            ),
            (self.calls, "the filter of system calls: decoders can use the network"),
        ];
        parts.into_iter().filter(|(holds, _)| !holds).map(|(_, line)| line).collect()
    }
}

/// Raises the fence about this thread and all that it starts; its standard input is the only file of somebody's that it may read then. To
/// be called before there is a second thread.
///
/// # Errors
///
/// Fails when a limit cannot be set. A part that the kernel does not have is not an error but told.
pub fn raise(limits: Limits) -> io::Result<Fence> {
    limit(limits)?;
    let landlock = confine().unwrap_or(RulesetStatus::NotEnforced);
    Ok(Fence {
        files: landlock != RulesetStatus::NotEnforced,
        signals: landlock == RulesetStatus::FullyEnforced,
        calls: calls::filter().is_ok(),
    })
}

fn limit(limits: Limits) -> io::Result<()> {
    // Ends with the thread that started it, whatever it is at.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let bytes = limits.memory_mib.saturating_mul(1 << 20);
    at_most(Resource::As, bytes, bytes)?;
    // The signal of the first can be told from a kill, and the second ends what survives it.
    at_most(Resource::Cpu, limits.cpu_seconds, limits.cpu_seconds.saturating_add(5))?;
    at_most(Resource::Nofile, MOST_FILES, MOST_FILES)?;
    // A core file would be somebody's voice.
    at_most(Resource::Core, 0, 0)?;
    at_most(Resource::Fsize, 0, 0)?;
    // Where memory runs out, this one goes first; where it may not be said, the system chooses.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

/// Lowers a limit, which may be lower already: nobody but root may raise one.
fn at_most(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let now = getrlimit(resource);
    let lower = |wanted: u64, now: Option<u64>| Some(now.map_or(wanted, |now| wanted.min(now)));
    let limit = Rlimit { current: lower(soft, now.current), maximum: lower(hard, now.maximum) };
    Ok(setrlimit(resource, limit)?)
}

fn confine() -> Result<RulesetStatus, landlock::RulesetError> {
    let abi = ABI::V6;
    let programs = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    let input = io::stdin();
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(PROGRAMS, programs))?
        .add_rules(path_beneath_rules(LOADER, AccessFs::ReadFile | AccessFs::ReadDir))?
        .add_rules(path_beneath_rules(NOTHING, AccessFs::ReadFile | AccessFs::WriteFile))?
        .add_rule(PathBeneath::new(input.as_fd(), AccessFs::ReadFile))?
        .restrict_self()?;
    Ok(status.ruleset)
}
