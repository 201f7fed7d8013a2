//! The development commands of Zyron: `cargo xtask help`.
//!
//! One file per command, then one per thing that commands need. Nothing here is part of the product, and nothing of
//! the product is linked here: this crate is the first to be compiled on a new machine, so it stays small.

// The commands.
mod bench;
mod check_aarch64;
mod compat;
mod cuda_check;
mod fuzz;
mod mini;
mod openapi;
mod package;
mod package_check;
mod serve;
mod setup;
mod test;

// What they are made of.
mod apt;
mod checkpoint;
mod clients;
mod llama_server;
mod node;
mod pinned;
mod process;
mod python;
mod running_server;
mod rust_target;
mod steps;
mod web;
mod workspace;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use workspace::Workspace;

/// The development commands of Zyron.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Builds everything and serves the small model at http://127.0.0.1:8080.
    Serve {
        /// Passed on to `zyron serve`, such as `--port 9000` or `--model PATH`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS OF ZYRON SERVE")]
        args: Vec<OsString>,
    },
    /// Installs what the tests need and runs all of them.
    Test {
        /// Leaves out the documentation, the lints for wasm, the licences, the benchmark, chaos and soak, the image and the package, the
        /// browser, LangChain, schemathesis and lm-eval.
        #[arg(long)]
        fast: bool,
    },
    /// Builds the page alone, for the server to embed.
    Page,
    /// Writes openapi/openapi.json from what the server says of itself.
    Openapi,
    /// Writes docs/compatibility.md: what becomes of each field of OpenAI's API.
    Compat {
        /// Writes nothing; fails if the page is out of date or anything said on it is not proved.
        #[arg(long)]
        check: bool,
        /// OpenAI's OpenAPI document, in JSON, to renew openapi/reference/fields.json from.
        #[arg(long, value_name = "PATH", conflicts_with = "check")]
        reference: Option<PathBuf>,
    },
    /// Searches long for what is answered wrongly: requests with schemathesis, bytes with libFuzzer.
    #[command(subcommand)]
    Fuzz(fuzz::Fuzz),
    /// Measures Zyron beside what it is compared with.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Breaks a server in ways that happen, and looks whether it holds: overload, slow clients, kill -9, a full disk, a clock
    /// that jumps, damaged files; half an hour.
    Chaos(bench::Args),
    /// Asks a server for hours, with clients that leave, and looks whether anything is left of them.
    Soak(bench::Args),
    /// Compiles the CUDA build with NVIDIA's compiler from PyPI, and starts it; takes an hour for each architecture.
    CudaCheck {
        /// Compute capabilities without the dot: 90 for H100 and H200, 121 for GB10.
        #[arg(long = "arch", value_name = "CAPABILITY", default_values_t = [90, 121])]
        architectures: Vec<u32>,
    },
    /// Checks that the server compiles for 64-bit ARM.
    CheckAarch64,
    /// Builds what is given to others: the server, and beside it, in target/release, a list of all that is in it.
    Package {
        /// What it is for.
        #[arg(default_value = "cpu")]
        machine: package::Machine,
        /// Makes a Debian package, too.
        #[arg(long)]
        deb: bool,
    },
    /// Builds the image and the Debian package and runs them, and checks the manifests for Kubernetes; as root.
    PackageCheck {
        /// Has the image's build stage done, too, on a Debian with nothing but Rust: half an hour.
        #[arg(long)]
        long: bool,
    },
    /// Makes zyron-mini, the model inside the binary, again.
    Mini {
        /// Parts of the work; all of them where none is given.
        steps: Vec<mini::Step>,
        /// A far smaller model in two minutes, as the tests make it.
        #[arg(long, conflicts_with = "steps")]
        short: bool,
    },
    /// Installs what `serve` and `test` need, and does nothing else; what another command needs comes with it.
    Setup,
}

fn main() -> ExitCode {
    let workspace = Workspace::find();
    let outcome = match Command::parse() {
        Command::Serve { args } => serve::run(&workspace, &args),
        Command::Test { fast } => test::run(&workspace, fast),
        Command::Page => setup::for_building(&workspace).and_then(|()| web::build(&workspace)),
        Command::Openapi => openapi::run(&workspace),
        Command::Compat { check: true, .. } => compat::check(&workspace),
        Command::Compat { reference, .. } => compat::run(&workspace, reference.as_deref()),
        Command::Fuzz(fuzz) => fuzz::run(&workspace, &fuzz),
        Command::Bench(bench) => bench::run(&workspace, &bench),
        Command::Chaos(bench::Args { args }) => bench::chaos(&workspace, &args),
        Command::Soak(bench::Args { args }) => bench::soak(&workspace, &args),
        Command::CudaCheck { architectures } => cuda_check::run(&workspace, &architectures),
        Command::CheckAarch64 => check_aarch64::run(&workspace),
        Command::Package { machine, deb } => package::run(&workspace, machine, deb),
        Command::PackageCheck { long } => package_check::run(&workspace, long),
        Command::Mini { short: true, .. } => mini::try_out(&workspace),
        Command::Mini { steps, .. } => mini::run(&workspace, &steps),
        Command::Setup => setup::run(&workspace),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // What failed, then why: a person has no use for the backtrace that anyhow would add.
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(line: &[&str]) -> Vec<OsString> {
        match Command::try_parse_from([&["cargo xtask", "serve"], line].concat()).unwrap() {
            Command::Serve { args } => args,
            _ => panic!("`serve` expected"),
        }
    }

    #[test]
    fn a_benchmark_can_be_asked_for_help() {
        match Command::try_parse_from(["cargo xtask", "bench", "peers", "--", "--help"]).unwrap() {
            Command::Bench(bench::Bench::Peers(bench::Args { args })) => assert_eq!(args, ["--help"]),
            _ => panic!("`bench peers` expected"),
        }
    }

    #[test]
    fn what_follows_serve_is_the_servers() {
        assert_eq!(served(&[]), [""; 0]);
        assert_eq!(served(&["--port", "9000"]), ["--port", "9000"]);
        assert_eq!(served(&["--", "--port", "9000"]), ["--port", "9000"]);
    }
}
