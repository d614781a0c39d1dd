//! Fence: what is left to a process behind it, tried from within.

use decoder::{Fence, Limits, raise};
use std::fs::{self, File};
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};

const LIMITS: Limits = Limits { memory_mib: 2048, cpu_seconds: 60 };
const NAME: &str = "behind_it_there_is_nothing_but_the_file_and_the_programs_of_the_system";
const WITHIN: &str = "THROUGHLINE_TEST_WITHIN_THE_FENCE";

/// Attempts that work without a fence.
const OUTSIDE: [&str; 6] = [
    "read a file of somebody's",
    "have a child read a file of somebody's",
    "read the environment of its parent",
    "signal its parent",
    "make a file",
    "open a UDP port",
];

/// Attempts that decoding needs to work.
const WITHIN_TOO: [&str; 3] =
    ["read the input", "have a child read the input", "run a program of the system"];

/// Attempts that Landlock refuses.
const FILES: [&str; 5] = [
    "read a file of somebody's",
    "have a child read a file of somebody's",
    "read the environment of its parent",
    "write the input",
    "make a file",
];

/// Attempts that are made, each with whether it worked.
fn tried() -> Vec<(&'static str, bool)> {
    let runs = |program: &str, arguments: &[&str]| {
        let quiet = || Stdio::null();
        let status =
            Command::new(program).args(arguments).stdout(quiet()).stderr(quiet()).stdin(quiet()).status();
        status.is_ok_and(|status| status.success())
    };
    // By the number of the thread, which alone is behind the fence here.
    let input = format!("/proc/{}/fd/0", rustix::thread::gettid());
    let parent = std::os::unix::process::parent_id();
    vec![
        ("read the input", fs::read(&input).is_ok_and(|bytes| bytes == b"voice")),
        ("have a child read the input", runs("cat", &[&input])),
        ("run a program of the system", runs("true", &[])),
        ("read a file of somebody's", fs::read("/etc/passwd").is_ok()),
        ("have a child read a file of somebody's", runs("cat", &["/etc/passwd"])),
        ("read the environment of its parent", fs::read(format!("/proc/{parent}/environ")).is_ok()),
        ("signal its parent", runs("sh", &["-c", &format!("kill -0 {parent}")])),
        ("write the input", fs::write(&input, b"else").is_ok()),
        ("make a file", File::create("/tmp/throughline-fence-test").is_ok()),
        ("open a TCP port", TcpListener::bind("127.0.0.1:0").is_ok()),
        ("call a TCP port", TcpStream::connect("127.0.0.1:9").is_err_and(|e| e.raw_os_error() == Some(111))),
        ("open a UDP port", UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("become root of a namespace", runs("unshare", &["--user", "true"])),
    ]
}

#[test]
fn behind_it_there_is_nothing_but_the_file_and_the_programs_of_the_system() {
    if std::env::var_os(WITHIN).is_some() {
        let fence = raise(LIMITS).expect("raises it");
        for (what, worked) in tried() {
            println!("could {what}: {worked}");
        }
        println!("fence {}", serde_json::to_string(&fence).expect("encodes"));
        return;
    }
    for what in OUTSIDE {
        assert!(
            tried().contains(&(what, true)),
            "cannot {what} without a fence either, so its refusal says nothing"
        );
    }
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"voice").expect("writes");
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", NAME, "--nocapture"])
        .env(WITHIN, "yes")
        .stdin(File::open(file.path()).expect("opens"))
        .output()
        .expect("starts itself");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let could: Vec<_> =
        said.lines().filter_map(|line| line.strip_prefix("could ")?.strip_suffix(": true")).collect();
    // What an older kernel lacks may work there, and must be told.
    let fence = said.lines().find_map(|line| line.strip_prefix("fence ")).expect("says what holds");
    let fence: Fence = serde_json::from_str(fence).expect("decodes");
    assert!(fence.calls, "{said}");
    for what in could {
        let allowed = WITHIN_TOO.contains(&what)
            || (!fence.files && FILES.contains(&what))
            || (!fence.signals && what == "signal its parent");
        assert!(allowed, "could {what}: {said}");
    }
    for what in WITHIN_TOO {
        assert!(said.contains(&format!("could {what}: true")), "{said}");
    }
}
