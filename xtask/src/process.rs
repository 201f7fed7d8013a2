//! Running other programs, with errors that say which one and what it did.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Runs `command` to its end; anything but success is an error. Its output is shown as it comes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| not_started(command))?;
    ensure!(status.success(), "`{}` failed ({status})", describe(command));
    Ok(())
}

/// Like [`run`], but returns what `command` wrote to its standard output.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| not_started(command))?;
    ensure!(output.status.success(), "`{}` failed ({})", describe(command), output.status);
    String::from_utf8(output.stdout).with_context(|| format!("`{}` wrote something other than text", describe(command)))
}

/// Whether `command` can be run and succeeds. Nothing is shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether a program of this name can be found.
pub(crate) fn is_on_path(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn not_started(command: &Command) -> String {
    format!("`{}` could not be started; is it installed?", describe(command))
}

fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = vec![program.file_name().unwrap_or(program.as_os_str()).to_string_lossy()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failure_names_the_command_and_its_status() {
        let error = run(&mut shell("exit 3")).unwrap_err().to_string();
        assert_eq!(error, "`sh -c exit 3` failed (exit status: 3)");
        assert!(capture(&mut shell("exit 1")).is_err());
        assert!(!succeeds(&mut shell("exit 1")));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program")).unwrap_err().to_string();
        assert_eq!(error, "`no-such-program` could not be started; is it installed?");
        assert!(!succeeds(&mut Command::new("no-such-program")));
        assert!(!is_on_path("no-such-program"));
        assert!(is_on_path("sh"));
    }

    #[test]
    fn output_is_captured() {
        assert_eq!(capture(&mut shell("echo é")).unwrap(), "é\n");
    }
}
