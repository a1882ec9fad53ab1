//! What the README says is what the crate does.

use std::fs;

/// What stands between two comments has to be `table`. `WGLOSS_BLESS=1` writes it instead of comparing.
fn holds(begin: &str, end: &str, table: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(path).expect("README.md");
    let start = readme.find(begin).expect("where the table begins") + begin.len();
    let end = readme.find(end).expect("where the table ends");
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

#[test]
fn the_tables_are_the_registries() {
    holds(
        "<!-- losses: rendered from the registry, held to it by a test -->\n",
        "<!-- end of losses -->",
        &wgloss::cli::markdown_table(),
    );
    holds(
        "<!-- metrics: rendered from the registry, held to it by a test -->\n",
        "<!-- end of metrics -->",
        &wgloss::cli::metrics_table(),
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
