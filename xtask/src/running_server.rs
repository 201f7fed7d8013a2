//! The real server as a child of the tests: started on a free port, known ready by its own word, stopped by SIGTERM.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process::run;

/// The checkpoint loads in seconds; a machine busy with something else may take longer.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// Longer than the server's own deadline for draining.
const STOPPED_WITHIN: Duration = Duration::from_secs(60);
const READY: &str = "Zyron is ready at ";
const TAIL_LINES: usize = 40;

/// A server that answers. Dropping it kills it.
pub(crate) struct RunningServer {
    child: Child,
    stdout: Receiver<String>,
    url: String,
    log: PathBuf,
}

impl RunningServer {
    /// Starts the server and waits until it is ready. What it logs goes to the file `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("could not create {}", log.display()))?;
        // The tests are about the server's defaults, not about the settings of whoever runs them.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ZYRON_")) {
            command.env_remove(name);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .with_context(|| format!("could not start {}", command.get_program().to_string_lossy()))?;
        let stdout = lines(BufReader::new(child.stdout.take().expect("stdout is piped")));
        let mut server = Self { child, stdout, url: String::new(), log: log.to_owned() };
        server.url = server.wait_until_ready().inspect_err(|_| server.show_log())?;
        Ok(server)
    }

    /// Where it answers, such as `http://127.0.0.1:41234`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Shows the end of what the server logged.
    pub(crate) fn show_log(&self) {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        println!("The last lines of the server's log ({}):\n{}", self.log.display(), tail(&log, TAIL_LINES));
    }

    /// Asks the server to stop, as an operator would, and requires that it does so cleanly.
    pub(crate) fn stop(mut self) -> Result<()> {
        let stopped = self.terminate();
        if stopped.is_err() {
            self.show_log();
        }
        stopped
    }

    fn wait_until_ready(&mut self) -> Result<String> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            match self.stdout.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(url) = url_of(&line) {
                        return Ok(url.to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) => bail!("the server was not ready after {READY_WITHIN:?}"),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the server ended before it was ready ({})", self.child.wait()?)
                }
            }
        }
    }

    fn terminate(&mut self) -> Result<()> {
        // The shell's own `kill`: the program of that name is not on every machine.
        run(Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &self.child.id().to_string()]))?;
        // Its standard output ends when it does.
        let deadline = Instant::now() + STOPPED_WITHIN;
        while self.stdout.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok() {}
        ensure!(Instant::now() < deadline, "the server was still running {STOPPED_WITHIN:?} after SIGTERM");
        let status = self.child.wait().context("could not wait for the server")?;
        ensure!(status.code() == Some(0), "the server ended with {status} after SIGTERM, instead of exit status 0");
        Ok(())
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        // Both fail where it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// Read to its end even when nobody listens: a server must not fail for a pipe that is full or closed.
fn lines(reader: impl BufRead + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in reader.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

fn url_of(line: &str) -> Option<&str> {
    line.strip_prefix(READY)?.split_whitespace().next()
}

fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A shell script in the server's place.
    fn start(script: &str) -> (TempDir, Result<RunningServer>) {
        let folder = TempDir::new().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        let server = RunningServer::start(shell, &folder.path().join("log"));
        (folder, server)
    }

    #[test]
    fn a_server_is_ready_by_its_own_word_and_stops_cleanly() {
        let (folder, server) = start(
            "echo a log line >&2; trap 'echo bye; exit 0' TERM; echo loading; \
             echo 'Zyron is ready at http://127.0.0.1:41234 (in 2 s)'; while :; do sleep 0.01; done",
        );
        let server = server.unwrap();
        assert_eq!(server.url(), "http://127.0.0.1:41234");
        server.stop().unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("log")).unwrap(), "a log line\n");
    }

    #[test]
    fn a_server_that_ends_early_is_an_error() {
        let (_folder, server) = start("echo 'no such file' >&2; exit 1");
        let error = server.err().unwrap().to_string();
        assert_eq!(error, "the server ended before it was ready (exit status: 1)");
    }

    #[test]
    fn a_server_that_dies_of_the_signal_is_an_error() {
        let (_folder, server) = start("echo 'Zyron is ready at http://127.0.0.1:1'; exec sleep 60");
        let error = server.unwrap().stop().unwrap_err().to_string();
        assert!(error.contains("signal: 15"), "{error}");
    }

    #[test]
    fn the_tail_is_the_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a\n", 2), "a");
        assert_eq!(tail("", 2), "");
    }
}
