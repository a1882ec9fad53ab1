//! What the README says is what the crate does.

use std::fs;

const BEGIN: &str = "<!-- losses: rendered from the registry, held to it by a test -->\n";
const END: &str = "<!-- end of losses -->";

/// `WGLOSS_BLESS=1` writes the table instead of comparing it.
#[test]
fn the_table_of_losses_is_the_registry() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(path).expect("README.md");
    let start = readme.find(BEGIN).expect("where the table begins") + BEGIN.len();
    let end = readme.find(END).expect("where the table ends");
    let table = wgloss::cli::markdown_table();
    if std::env::var_os("WGLOSS_BLESS").is_some() {
        let text = format!("{}{table}{}", &readme[..start], &readme[end..]);
        fs::write(path, text).expect("README.md is writable");
        return;
    }
    assert_eq!(
        &readme[start..end],
        table,
        "run this test with WGLOSS_BLESS=1"
    );
}

/// The quick start is two commands, and the second is what the whole check of a commit runs.
#[test]
fn the_quick_start_is_two_commands() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(path).expect("README.md");
    let start = readme.find("## Quick start").expect("a quick start");
    let section = &readme[start + 2..];
    let section = &section[..section.find("\n## ").expect("a section after it")];
    let commands: Vec<&str> = section
        .split("```sh\n")
        .skip(1)
        .filter_map(|s| s.split("\n```").next())
        .collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    assert!(
        commands.iter().all(|c| c.lines().count() == 1),
        "{commands:?}"
    );
    assert!(commands[0].contains("--check"));
    assert_eq!(commands[1], "bash tests/run.sh");
}
