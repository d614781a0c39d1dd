//! Quota: an object store that can be full, because it lies on a small file system of its own.
//!
//! The file system is mounted in a mount namespace of its own, which needs no root where user namespaces are allowed,
//! leaves nothing behind, and is entered by the services through `nsenter`.

use rustix::fs::statvfs;
use rustix::process::geteuid;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Bytes that the store may hold when it is not full: more than any run needs, and taken only as they are used.
const PLENTY: u64 = 8 << 30;
/// Room that is left when the quota is lowered, to be filled up by the ballast.
const NEARLY: u64 = 8 << 20;
/// Most attempts to lower the quota to just above what is used at that moment.
const FILL_TRIES: usize = 20;

/// A file system with a quota.
pub struct Quota {
    holder: Child,
    pid: u32,
    folder: PathBuf,
}

impl Quota {
    /// Mounts one at `folder`, seen by whoever is [entered](Quota::enter) alone.
    pub async fn at(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if !geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let script = format!(
            "mount -t tmpfs -o size={PLENTY},mode=0755 throughline-store \"$0\" && echo mounted && exec sleep infinity"
        );
        let mut holder = command
            .args(["sh", "-c", &script])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("unshare runs (util-linux)");
        let mut said = String::new();
        let output = holder.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut said).await.expect("it says something");
        assert_eq!(
            said.trim(),
            "mounted",
            "the object store needs a file system of its own to be full for once, and this machine does not allow one: run as root \
             with CAP_SYS_ADMIN, or allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces)"
        );
        let pid = holder.id().expect("it runs");
        Self { holder, pid, folder: folder.to_owned() }
    }

    /// First words of a command line that is to run where the file system is seen.
    pub fn enter(&self) -> Vec<String> {
        let mut enter = vec!["nsenter".to_owned(), format!("--mount=/proc/{}/ns/mnt", self.pid)];
        if !geteuid().is_root() {
            enter.extend([format!("--user=/proc/{}/ns/user", self.pid), "--preserve-credentials".to_owned()]);
        }
        enter.push("--".to_owned());
        enter
    }

    /// The store as the services see it.
    pub fn inside(&self) -> &Path {
        &self.folder
    }

    /// The store as it is seen from here.
    pub fn from_here(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid));
        root.join(self.folder.strip_prefix("/").expect("an absolute path"))
    }

    /// Sets the quota; false where more than that is used already.
    async fn resize(&self, bytes: u64) -> bool {
        let enter = self.enter();
        let output = Command::new(&enter[0])
            .args(&enter[1..])
            .args(["mount", "-o", &format!("remount,size={bytes}")])
            .arg(&self.folder)
            .output()
            .await
            .expect("nsenter runs (util-linux)");
        if !output.status.success() {
            println!(
                "  the quota is not set to {bytes} bytes: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        output.status.success()
    }

    fn ballast(&self) -> PathBuf {
        self.from_here().join("ballast")
    }

    /// Uses the quota up to the last byte.
    pub async fn fill(&self) {
        // Uploads and chunks go on being stored meanwhile, so that what is used may be more by the time it is the limit.
        let mut tries = 0;
        loop {
            let usage = statvfs(self.from_here()).expect("the store is there");
            let used = (usage.f_blocks - usage.f_bfree) * usage.f_frsize;
            if self.resize(used + NEARLY).await {
                break;
            }
            tries += 1;
            assert!(tries < FILL_TRIES, "the quota cannot be set");
        }
        let fill = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(self.ballast())?;
            loop {
                std::io::Write::write_all(&mut file, &[0; 64 << 10])?;
            }
        };
        let full = fill().expect_err("it is full at last");
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull, "{full}");
    }

    /// Gives back what [`Quota::fill`] took.
    pub async fn empty(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast goes");
        assert!(self.resize(PLENTY).await, "the quota cannot be raised");
    }

    /// Files in the store, by their path in it.
    pub fn files(&self) -> Vec<PathBuf> {
        let store = self.from_here();
        let (mut folders, mut files) = (vec![store.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            // A folder may go while we look.
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path.strip_prefix(&store).expect("is in the store").to_owned());
                }
            }
        }
        files
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        let _ = self.holder.start_kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_store_that_is_full_takes_nothing_until_it_is_emptied() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let quota = Quota::at(&folder.path().join("objects")).await;
        let file = quota.from_here().join("a");
        std::fs::write(&file, [0; 1 << 20]).expect("there is room");
        quota.fill().await;
        assert!(std::fs::write(quota.from_here().join("b"), [0; 1 << 20]).is_err());
        quota.empty().await;
        std::fs::write(quota.from_here().join("b"), [0; 1 << 20]).expect("there is room again");
        assert!(!quota.inside().join("a").exists(), "it is seen from outside");
    }
}
