//! `cargo xtask openapi`: the committed document is what the server says of itself, byte for byte.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::capture;
use crate::workspace::Workspace;
use crate::{serve, setup};

const DOCUMENT: &str = "openapi/openapi.json";

/// Writes the document.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    setup::for_building(workspace)?;
    serve::build(workspace)?;
    fs::write(workspace.path(DOCUMENT), of_the_server(workspace)?)
        .with_context(|| format!("could not write {DOCUMENT}"))?;
    println!("Wrote {DOCUMENT}.");
    Ok(())
}

/// Fails if the committed document is not the server's. The server must be built.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let committed = fs::read_to_string(workspace.path(DOCUMENT))
        .with_context(|| format!("could not read {DOCUMENT}; `cargo xtask openapi` writes it"))?;
    match first_difference(&committed, &of_the_server(workspace)?) {
        None => Ok(()),
        Some((line, committed, served)) => bail!(
            "{DOCUMENT} is not what the server says of itself. Run `cargo xtask openapi` and commit the result.\n\
             First difference, in line {line}:\n  committed: {committed}\n  server:    {served}"
        ),
    }
}

fn of_the_server(workspace: &Workspace) -> Result<String> {
    capture(Command::new(workspace.server_binary()).arg("openapi"))
}

fn first_difference<'a>(committed: &'a str, served: &'a str) -> Option<(usize, &'a str, &'a str)> {
    const END: &str = "(the end)";
    let mut pairs = (committed.split_inclusive('\n'), served.split_inclusive('\n'));
    for line in 1.. {
        match (pairs.0.next(), pairs.1.next()) {
            (None, None) => break,
            (old, new) if old == new => {}
            (old, new) => return Some((line, old.map_or(END, str::trim_end), new.map_or(END, str::trim_end))),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_difference_is_shown() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\nc\n", "a\nx\ny\n"), Some((2, "b", "x")));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some((2, "(the end)", "b")));
        assert_eq!(first_difference("a", "a\n"), Some((1, "a", "a")));
    }
}
