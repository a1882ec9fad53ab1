//! What the README says is what the crate does.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

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

/// The names that stand in backquotes in the first column of the tables of a section.
fn first_column(readme: &str, section: &str) -> BTreeSet<String> {
    let start = readme.find(section).expect("the section") + section.len();
    let text = &readme[start..];
    let text = &text[..text.find("\n## ").expect("a section after it")];
    let rows = text.lines().filter(|l| l.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(String::from).collect()
}

/// Every dependency has a reason in the README, and nothing else has.
#[test]
fn every_dependency_has_its_reason() {
    let path = |file: &str| format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(path("README.md")).expect("README.md");
    let manifest = fs::read_to_string(path("Cargo.toml")).expect("Cargo.toml");
    let mut found = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]") && !line.contains("dev-dependencies");
        } else if let (true, Some((name, _))) = (inside, line.split_once(" = ")) {
            found.insert(name.trim().to_string());
        }
    }
    assert!(found.len() > 10, "{found:?}");
    assert_eq!(first_column(&readme, "## Dependencies\n"), found);
}

/// Everything that is linked is under a licence that asks for its notice and no more.
#[test]
fn licences_are_permissive() {
    const ALLOWED: &[&str] = &[
        "MIT",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "Zlib",
        "Unicode-3.0",
        "0BSD",
        "Unlicense",
    ];
    let told = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--features",
            "cli",
            "--edges",
            "normal",
        ])
        .args(["--prefix", "none", "--format", "{p}\t{l}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo tree");
    assert!(
        told.status.success(),
        "{}",
        String::from_utf8_lossy(&told.stderr)
    );
    let told = String::from_utf8(told.stdout).expect("text");
    let mut crates = 0;
    for line in told.lines().filter(|l| !l.trim().is_empty()) {
        let (name, licence) = line.split_once('\t').expect("a crate and its licence");
        let licence = licence.trim_end_matches(" (*)");
        // All that are joined by AND, and one of those that are joined by OR.
        let fits = licence.split(" AND ").all(|part| {
            let part = part.trim_matches(['(', ')']).replace('/', " OR ");
            part.split(" OR ").any(|one| ALLOWED.contains(&one.trim()))
        });
        assert!(fits, "{name}: {licence}");
        crates += 1;
    }
    assert!(crates > 50, "{crates} crates: {told}");
}
