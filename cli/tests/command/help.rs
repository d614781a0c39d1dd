//! Texts about the program itself: help, completions, manual pages.

use crate::run::{text, throughline};

#[test]
fn every_command_has_help_a_manual_page_and_completions() {
    let help = throughline(["--help"]).succeeds().stdout;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    for name in ["diarize", "submit", "list", "export", "correct", "delete", "completions", "man"] {
        assert!(commands.contains(&name), "{name}: {commands:?}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("man1");
    throughline(["man", "--out-dir", text(&pages)]).succeeds();
    let main = throughline(["man"]).succeeds().stdout;
    assert!(main.starts_with(".ie") || main.contains(".TH throughline 1"), "{main}");
    for name in &commands {
        let page = std::fs::read_to_string(pages.join(format!("throughline-{name}.1"))).expect("a page");
        assert!(page.contains(".SH SYNOPSIS"), "{name}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = throughline(["completions", shell]).succeeds().stdout;
        assert!(commands.iter().all(|name| script.contains(name)), "{shell}");
    }
}
