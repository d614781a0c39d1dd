//! Group: a process and all that it has started, ended together.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

/// A process that leads a group of its own. Dropping it kills the group.
pub(crate) struct Group {
    leader: Pid,
    /// `None` once its number was given back, which may be another's by now.
    child: Mutex<Option<Child>>,
}

impl Group {
    /// Starts `command`, whose output and complaints are pipes, which are given back.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be started.
    pub fn start(command: &mut Command) -> io::Result<(Self, ChildStdout, ChildStderr)> {
        let mut child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let leader = Pid::from_child(&child);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let group = Self { leader, child: Mutex::new(Some(child)) };
        let missing = || io::Error::other("it has no pipes");
        Ok((group, stdout.ok_or_else(missing)?, stderr.ok_or_else(missing)?))
    }

    /// Kills all of it; from any thread.
    pub fn kill(&self) {
        if self.child.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            let _ = kill_process_group(self.leader, Signal::KILL);
        }
    }

    /// Waits until the leader ends and kills what it has left behind; `None` where that was done before. Nothing is locked while it waits,
    /// so that [`kill`](Self::kill) ends it.
    ///
    /// # Errors
    ///
    /// Fails when the system cannot say how the leader ended.
    pub fn wait(&self) -> io::Result<Option<ExitStatus>> {
        // Its number is kept until the group is killed, whose number it is too.
        let still_there = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(error) = waitid(WaitId::Pid(self.leader), still_there) {
            match error {
                Errno::INTR => {}
                Errno::CHILD => return Ok(None),
                error => return Err(error.into()),
            }
        }
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut ended) = child.take() else { return Ok(None) };
        let _ = kill_process_group(self.leader, Signal::KILL);
        ended.wait().map(Some)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        let _ = self.wait();
    }
}
