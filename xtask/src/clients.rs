//! The tests of clients, unchanged, against running servers: one with the real checkpoint, as users start it, and the
//! scripted ones of `tests/e2e`, which do what requests tell them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process::run as run_program;
use crate::running_server::RunningServer;
use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{checkpoint, node, python, setup, test, web};

/// Runs them all and stops at the first that fails. The servers are built.
pub(crate) fn run(workspace: &Workspace, fast: bool, steps: &mut Steps) -> Result<()> {
    let servers = steps.step("start of the servers", || Servers::start(workspace))?;
    against(&servers, workspace, fast, steps).inspect_err(|_| servers.show_logs())?;
    steps.step("drain and exit on SIGTERM", || servers.stop())?;
    if fast { Ok(()) } else { steps.step("lm-eval", || lm_eval(workspace)) }
}

struct Servers {
    real: RunningServer,
    scripted: RunningServer,
    busy: RunningServer,
}

impl Servers {
    fn start(workspace: &Workspace) -> Result<Self> {
        Ok(Self {
            real: serve(workspace, &checkpoint::ensure(workspace)?, &[])?,
            scripted: scripted(workspace, "scripted.log", &["--store"])?,
            busy: scripted(workspace, "busy.log", &["--parallelism", "1", "--max-queue", "0"])?,
        })
    }

    fn all(self) -> [RunningServer; 3] {
        [self.real, self.scripted, self.busy]
    }

    fn show_logs(&self) {
        for server in [&self.real, &self.scripted, &self.busy] {
            server.show_log();
        }
    }

    fn stop(self) -> Result<()> {
        self.all().into_iter().try_for_each(RunningServer::stop)
    }

    /// Runs a client that is told where they are.
    fn run(&self, mut client: Command) -> Result<()> {
        client.env("ZYRON_BASE_URL", self.real.url());
        client.env("ZYRON_SCRIPTED_URL", self.scripted.url()).env("ZYRON_BUSY_URL", self.busy.url());
        run_program(&mut client)
    }
}

fn scripted(workspace: &Workspace, log: &str, args: &[&str]) -> Result<RunningServer> {
    let mut command = Command::new(workspace.target().join("release/scripted-server"));
    command.args(args);
    RunningServer::start(command, &workspace.cache().join(log))
}

fn serve(workspace: &Workspace, model: impl AsRef<OsStr>, args: &[&str]) -> Result<RunningServer> {
    let mut command = Command::new(workspace.server_binary());
    command.args(["serve", "--port", "0", "--model"]).arg(model).args(args);
    RunningServer::start(command, &workspace.cache().join("server.log"))
}

fn against(servers: &Servers, workspace: &Workspace, fast: bool, steps: &mut Steps) -> Result<()> {
    steps.step("OpenAI's Python client", || servers.run(with_binary(workspace, "tests/sdk/python")))?;
    steps.step("OpenAI's JavaScript client", || servers.run(node::test(workspace, "tests/sdk/javascript")))?;
    if fast {
        return Ok(());
    }
    steps.step("LangChain", || servers.run(pytest(workspace, "tests/langchain")))?;
    steps.step("embeddings", || run_program(&mut with_binary(workspace, "tests/embeddings")))?;
    steps.step("Triton's client", || servers.run(with_binary(workspace, "tests/triton")))?;
    steps.step("Prometheus and OpenTelemetry", || servers.run(with_binary(workspace, "tests/operations")))?;
    steps.step("schemathesis", || servers.run(schemathesis(workspace)))?;
    steps.step("browser", || servers.run(node::test(workspace, "tests/browser")))
}

/// Tests that start servers of their own, too, where these must have keys or a collector.
fn with_binary(workspace: &Workspace, folder: &str) -> Command {
    let mut pytest = pytest(workspace, folder);
    pytest.env("ZYRON_BIN", workspace.server_binary());
    pytest
}

fn schemathesis(workspace: &Workspace) -> Command {
    let mut schemathesis = python::program(workspace, "python");
    schemathesis.current_dir(workspace.path("tests/schemathesis")).arg("run.py");
    schemathesis
}

/// The long form of the step "schemathesis".
pub(crate) fn fuzz(workspace: &Workspace, examples: u32) -> Result<()> {
    setup::for_tests(workspace, true)?;
    web::build(workspace)?;
    run_program(test::server_crates(&mut workspace.cargo(["build"])))?;
    let server = scripted(workspace, "scripted.log", &["--store"])?;
    let mut search = schemathesis(workspace);
    search.env("ZYRON_SCRIPTED_URL", server.url()).env("ZYRON_SCHEMATHESIS_EXAMPLES", examples.to_string());
    run_program(&mut search).inspect_err(|_| server.show_log())?;
    server.stop()
}

/// How large the page is, how soon it is there, how even its frames are: figures into `folder`.
pub(crate) fn measure_page(workspace: &Workspace, folder: &Path) -> Result<()> {
    setup::for_tests(workspace, false)?;
    run_program(test::server_crates(&mut workspace.cargo(["build"])))?;
    let server = scripted(workspace, "scripted.log", &[])?;
    let mut measure = python::program(workspace, "node");
    measure.current_dir(workspace.path("tests/browser")).arg("measure.js").arg(folder);
    measure.env("ZYRON_SCRIPTED_URL", server.url()).env("ZYRON_BASE_URL", server.url());
    run_program(&mut measure).inspect_err(|_| server.show_log())?;
    server.stop()
}

/// pytest, in `folder`.
pub(crate) fn pytest(workspace: &Workspace, folder: &str) -> Command {
    let mut pytest = python::program(workspace, "python");
    pytest.current_dir(workspace.path(folder)).args(["-m", "pytest"]);
    pytest
}

/// The harness and a forward pass of our own, against the checkpoint in F32: its quantized kernels round.
fn lm_eval(workspace: &Workspace) -> Result<()> {
    let folder = f32_folder(workspace)?;
    let server = serve(workspace, &folder, &["--dtype", "f32"])?;
    let mut tests = pytest(workspace, "tests/lm_eval");
    tests.env("ZYRON_F32_URL", server.url()).env("ZYRON_F32_MODEL", &folder);
    run_program(&mut tests).inspect_err(|_| server.show_log())?;
    server.stop()
}

fn f32_folder(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.cache().join("models/SmolLM2-135M-Instruct-F32");
    let mut convert = python::program(workspace, "python");
    convert.arg(workspace.path("tests/lm_eval/convert.py")).arg(checkpoint::ensure(workspace)?).arg(&folder);
    run_program(&mut convert)?;
    Ok(folder)
}
