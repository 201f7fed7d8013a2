//! `cargo xtask package-check`: is what `deploy/` and the Dockerfile say true? The image is built and run as a container,
//! the Debian package installed and its service started by systemd, the manifests built and validated.
//!
//! There need be no image registry: `tests/package` makes the images that the Dockerfile names, from Debian's packages and
//! this machine's Rust.

use anyhow::Result;

use crate::package::{self, Machine};
use crate::process::run as run_program;
use crate::workspace::Workspace;
use crate::{apt, clients, python, serve, setup, web};

/// Builds the server, then runs all checks. `long` has the image's build stage done, too, which compiles everything anew.
pub(crate) fn run(workspace: &Workspace, long: bool) -> Result<()> {
    setup::for_building(workspace)?;
    apt::ensure(workspace, &[apt::PYTHON])?;
    {
        let _lock = workspace.lock_cache()?;
        python::ensure_packages(workspace)?;
    }
    web::build(workspace)?;
    serve::build_server(workspace)?;
    check(workspace, long)
}

/// The checks alone. The server is built, and the Python packages are there.
fn check(workspace: &Workspace, long: bool) -> Result<()> {
    apt::ensure(workspace, &[apt::DEBIAN, apt::CONTAINERS, apt::SYSTEMD, apt::SHELLCHECK, apt::PROMETHEUS])?;
    let mut tests = clients::pytest(workspace, "tests/package");
    tests.env("ZYRON_BIN", workspace.server_binary());
    tests.env("ZYRON_LIST", package::write_list(workspace, Machine::Cpu)?);
    tests.env("ZYRON_DEB", package::make_deb(workspace)?);
    tests.env("ZYRON_PACKAGE_CACHE", workspace.cache().join("package"));
    if long {
        tests.env("ZYRON_PACKAGE_LONG", "1");
    }
    run_program(&mut tests)
}
