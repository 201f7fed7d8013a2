//! A `zyron serve` of its own, started as an operator would, and looked at from outside.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

/// What is run.
#[derive(Clone, clap::Args)]
pub(crate) struct Program {
    /// The binary `zyron`
    #[arg(long)]
    pub(crate) zyron: PathBuf,
    /// A GGUF file
    #[arg(long)]
    pub(crate) model: PathBuf,
}

/// How long a server has to come to rest, or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// What every server here is started with: small, and the same for all, so that their answers are.
const SETTINGS: [(&str, &str); 4] = [
    ("ZYRON__ENGINE__MAX_SEQUENCES", "4"),
    ("ZYRON__ENGINE__CONTEXT_LENGTH", "2048"),
    ("ZYRON__ENGINE__KV_CACHE_MB", "400"),
    ("OMP_WAIT_POLICY", "passive"),
];

impl Program {
    /// `zyron` with a command.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.zyron);
        command.args(arguments).env_remove("ZYRON_API_KEY");
        command
    }

    /// `zyron serve`, with keys of the configuration as `ADMISSION__MAX_QUEUE`.
    pub(crate) fn serve(&self, keys: &[(&str, &str)], state: Option<&Path>) -> Command {
        let mut command = self.command(&["serve", "--port", "0", "--engine", "llama_cpp", "--model"]);
        command.arg(&self.model).envs(SETTINGS);
        command.envs(keys.iter().map(|(key, value)| (format!("ZYRON__{key}"), value)));
        if let Some(state) = state {
            command.arg("--state").arg(state);
        }
        command
    }

    /// Starts a server.
    pub(crate) async fn start(&self, keys: &[(&str, &str)], state: Option<&Path>) -> anyhow::Result<Zyron> {
        Zyron::start(self.serve(keys, state)).await
    }

    /// Whether no line of an audit log was changed, as `zyron audit verify` says.
    pub(crate) fn verify(&self, state: &Path) -> anyhow::Result<()> {
        let verified = self.command(&["audit", "verify", "--state"]).arg(state).output()?;
        ensure!(verified.status.success(), "the audit log: {}", String::from_utf8_lossy(&verified.stdout));
        Ok(())
    }
}

/// A server that runs.
pub(crate) struct Zyron {
    child: Child,
    /// What it logs, once it has ended.
    log: Option<JoinHandle<String>>,
    pub(crate) base: String,
    pub(crate) model: String,
    /// Each request on a connection of its own: one that is kept would count as a file that is left open.
    pub(crate) client: Client,
}

impl Zyron {
    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    /// Why it is not, with what it has logged.
    pub(crate) async fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("zyron cannot be run")?;
        let mut stderr = child.stderr.take().context("it has a log")?;
        let log = std::thread::spawn(move || {
            let mut log = Vec::new();
            let _ = stderr.read_to_end(&mut log);
            String::from_utf8_lossy(&log).into_owned()
        });
        let mut lines = BufReader::new(child.stdout.take().context("it has an output")?).lines();
        let ready = tokio::task::spawn_blocking(move || {
            let base = lines
                .by_ref()
                .map_while(Result::ok)
                .find_map(|line| line.strip_prefix("Zyron is ready at ").map(str::to_owned));
            // What comes after must not fill the pipe.
            std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
            base
        });
        let Some(base) = ready.await? else {
            child.wait()?;
            bail!("{}", log.join().unwrap_or_default().trim());
        };
        let client = Client::builder().pool_max_idle_per_host(0).build()?;
        let mut server = Self { child, log: Some(log), base, model: String::new(), client };
        let models: Value = server.get("/v1/models").send().await?.json().await?;
        models["data"][0]["id"].as_str().context("it has no model")?.clone_into(&mut server.model);
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base)).json(body)
    }

    /// A completion of so many tokens.
    pub(crate) fn completion(&self, prompt: &str, max_tokens: usize) -> Value {
        json!({"model": self.model, "prompt": prompt, "max_tokens": max_tokens, "temperature": 0})
    }

    /// What it answers to one request that is always the same.
    pub(crate) async fn greedy(&self) -> anyhow::Result<String> {
        let body = self.completion("The cash of a company is", 24);
        let answer: Value = self.post("/v1/completions", &body).send().await?.error_for_status()?.json().await?;
        Ok(answer["choices"][0]["text"].as_str().context("an answer has a text")?.to_owned())
    }

    /// Whether it answers as `before`.
    ///
    /// # Errors
    /// Both answers.
    pub(crate) async fn answers(&self, before: &str) -> anyhow::Result<()> {
        let now = self.greedy().await?;
        ensure!(now == before, "the same request was answered {now:?}, and before {before:?}");
        Ok(())
    }

    /// Its figures, now.
    pub(crate) async fn figures(&self) -> anyhow::Result<Figures> {
        Ok(Figures(self.get("/metrics").send().await?.error_for_status()?.text().await?))
    }

    /// Waits until nobody runs or waits, nothing is held for anybody, and no connection is open but the one that asks.
    ///
    /// # Errors
    /// What is still held after a minute.
    pub(crate) async fn rest(&self) -> anyhow::Result<Figures> {
        let start = Instant::now();
        loop {
            let figures = self.figures().await?;
            let held = figures.held();
            let is_at_rest = held.iter().all(|(_, count)| *count == 0.0) && figures.sum("zyron_connections") <= 1.0;
            if is_at_rest {
                return Ok(figures);
            }
            let connections = figures.sum("zyron_connections");
            ensure!(start.elapsed() < PATIENCE, "a minute later is held: {held:?}, {connections} connections");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A number of bytes in `/proc/PID/status`, such as `VmRSS` and `VmHWM`.
    pub(crate) fn memory(&self, name: &str) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kibibytes: f64 = line.context("no such figure")?.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024.0)
    }

    /// Has the most memory counted from now on.
    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        std::fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").context("/proc cannot be written")
    }

    /// kill -9.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, after which it must end well. Gives its log.
    pub(crate) async fn terminate(mut self) -> anyhow::Result<String> {
        signal(self.pid(), "TERM")?;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(start.elapsed() < PATIENCE, "it does not end after SIGTERM");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let log = self.log();
        ensure!(status.success(), "it ended with {status}: {log}");
        Ok(log)
    }

    /// What it has logged, once it has ended.
    fn log(&mut self) -> String {
        self.log.take().and_then(|log| log.join().ok()).unwrap_or_default()
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }
}

impl Drop for Zyron {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal.
pub(crate) fn signal(pid: u32, name: &str) -> anyhow::Result<()> {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status()?;
    ensure!(sent.success(), "SIG{name} cannot be sent");
    Ok(())
}

/// What `/metrics` says.
pub(crate) struct Figures(String);

impl Figures {
    /// The sum of all series of a name.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let value = |line: &str| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']))?;
            rest.rsplit(' ').next()?.parse::<f64>().ok()
        };
        self.0.lines().filter_map(value).sum()
    }

    /// What requests hold.
    fn held(&self) -> [(&'static str, f64); 4] {
        ["zyron_running_requests", "zyron_waiting_requests", "zyron_waiting_tokens", "zyron_kv_cache_used_tokens"]
            .map(|name| (name, self.sum(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_name_are_added_and_no_others() {
        let figures = Figures("# HELP a x\na{b=\"c 1\"} 2\na{b=\"d\"} 3.5\na 1\na_limit 100\n".to_owned());
        assert_eq!(figures.sum("a"), 6.5);
        assert_eq!(figures.sum("b"), 0.0);
    }
}
