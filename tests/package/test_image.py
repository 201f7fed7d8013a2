"""The image for a CPU, built from the Dockerfile and run as a container: read-only, without a network, as a user who may
do nothing. No image registry is asked: what the Dockerfile names is made here, from Debian's packages and this machine's
Rust. Its build stage is done in the long form only; else the server that is built already is put in its place."""

import json
import os
import platform
import resource
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from conftest import BINARY, CACHE, LIST, QUESTION, ROOT, answer, ask, run, wait_until_ready

LONG = "ZYRON_PACKAGE_LONG" in os.environ
STORAGE = ["--root", CACHE / "images", "--runroot", CACHE / "images-run"]
PODMAN = ["podman", *STORAGE, "--runtime=runc", "--cgroup-manager=cgroupfs", "--events-backend=none"]
USER = 10001

# Not more than the root of this machine may give: without CAP_SYS_RESOURCE that is less than podman would.
LIMITS = [f"--ulimit={name}={limit}:{limit}" for name, limit in [
    ("nofile", min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536)),
    ("nproc", min(resource.getrlimit(resource.RLIMIT_NPROC)[1], 32768)),
]]
LOCKED = ["--read-only", "--read-only-tmpfs=false", "--network=none", "--cap-drop=all", "--no-healthcheck",
          "--security-opt=no-new-privileges", "--log-driver=k8s-file", *LIMITS]
TMP = "--tmpfs=/tmp:rw,nosuid,nodev,noexec,size=64m,mode=1777"


def podman(*arguments, **options):
    return run(*PODMAN, *arguments, **options)


@pytest.fixture(scope="module")
def base(debian):
    """What stands for `debian:13-slim`."""
    image = "docker.io/library/debian:13-slim"
    if subprocess.run([*map(str, PODMAN), "image", "exists", image], check=False).returncode != 0:
        podman("import", debian, image)
    return image


def rust_image(base, folder):
    """What stands for the image of Rust: this machine's, where that image has it."""
    version = run("rustc", "--version", cwd=ROOT).split()[1]
    toolchain = Path(run("rustc", "--print", "sysroot", cwd=ROOT).strip())
    cargo = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    # The name that rustup looks for; here it may be a link.
    named = folder / "rustup" / "toolchains" / f"{version}-{platform.machine()}-unknown-linux-gnu"
    shutil.copytree(toolchain.resolve(), named, symlinks=True)
    (folder / "cargo" / "bin").mkdir(parents=True)
    shutil.copy(cargo / "bin" / "rustup", folder / "cargo" / "bin")
    for name in ("cargo", "rustc", "rustdoc"):
        (folder / "cargo" / "bin" / name).symlink_to("rustup")
    (folder / "Dockerfile").write_text(f"FROM {base}\nCOPY rustup /usr/local/rustup\nCOPY cargo /usr/local/cargo\n")
    image = f"docker.io/library/rust:{version}-slim-trixie"
    run("buildah", *STORAGE, "bud", "--pull-never", "--isolation=chroot", "--tag", image, folder)


@pytest.fixture(scope="module")
def image(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    build = ["buildah", *STORAGE, "bud", "--pull-never", "--isolation=chroot", "--format=docker", "--target=cpu"]
    if LONG:
        rust_image(base, folder)
        # Who signs what this machine downloads is known to it, and not to the image.
        trusted = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
        build += ["--volume", f"{trusted}:/run/trusted.crt:ro", "--env", "CARGO_HTTP_CAINFO=/run/trusted.crt"]
    else:
        release = folder / "src" / "target" / "release"
        release.mkdir(parents=True)
        shutil.copy(BINARY, release / "zyron")
        shutil.copy(LIST, release / "zyron.cdx.json")
        build += ["--build-context", f"build-cpu={folder}"]
    name = f"localhost/zyron:{uuid.uuid4()}"
    run(*build, "--tag", name, ROOT, timeout=5000 if LONG else 300)
    yield name
    podman("rmi", "--force", name)


@pytest.fixture(scope="module")
def volume():
    name = f"zyron-{uuid.uuid4()}"
    podman("volume", "create", name)
    yield f"--volume={name}:/var/lib/zyron"
    podman("volume", "rm", "--force", name)


@pytest.fixture(scope="module")
def key(image, volume):
    """The first key, made before there is a server."""
    create = ["keys", "--state", "/var/lib/zyron", "create", "--owner", "Test"]
    return podman("run", "--rm", *LOCKED, TMP, volume, image, *create).strip()


class Container:
    """The server in a container."""

    def __init__(self, name):
        self.name = name
        self.process = int(podman("inspect", "--format", "{{.State.Pid}}", name))

    def logs(self):
        return run(*PODMAN, "logs", self.name)

    def changes(self):
        return podman("diff", self.name).split("\n")


@pytest.fixture(scope="module")
def container(image, volume, key):
    name = f"zyron-{uuid.uuid4()}"
    podman("run", "--detach", "--name", name, *LOCKED, TMP, volume, image)
    container = Container(name)
    try:
        wait_until_ready(container.process, container.logs)
        yield container
    finally:
        podman("rm", "--force", "--time", "0", name)


def test_the_image_says_what_it_is_and_how_it_runs(image):
    (found,) = json.loads(podman("inspect", image))
    config = found["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Entrypoint"] == ["zyron"] and config["Cmd"][0] == "serve"
    assert found["Healthcheck"]["Test"] == ["CMD", "zyron-healthy"]
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_it_has_the_list_of_what_is_in_it_and_no_compiler(image):
    inside = ["run", "--rm", *LOCKED, "--entrypoint=sh", image, "-c"]
    assert podman(*inside, "cat /usr/share/doc/zyron/zyron.cdx.json") == LIST.read_text()
    assert podman(*inside, "command -v cc cargo curl python3 || true") == ""


def test_without_a_key_it_does_not_start(image):
    said = podman("run", "--rm", *LOCKED, TMP, "--tmpfs=/var/lib/zyron:mode=777", image, ok=False)
    assert said.startswith("error: ") and said.count("\n") == 1, said


def test_it_is_ready_by_its_own_check_and_answers_who_has_a_key(container, key):
    podman("exec", container.name, "zyron-healthy")
    assert ask(container.process, "/v1/chat/completions", data=QUESTION)[0] == 401
    assert answer(container.process, key)


def test_it_may_do_nothing_and_reach_nobody(container):
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{container.process}/status").read_text().splitlines())
    assert status["Uid"].split() == [str(USER)] * 4
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert podman("exec", container.name, "ls", "/sys/class/net") == "lo\n"


def test_it_writes_only_where_it_may(container, key):
    answer(container.process, key)
    # What podman itself puts there, and nothing else.
    written = [line for line in container.changes() if line[:1] in "ACD" and not line.endswith(("/etc", "/run", "/tmp"))]
    assert [line for line in written if line and " /run/" not in line and " /etc/" not in line] == []
    podman("exec", container.name, "sh", "-c", "! touch /etc/zyron")
    # The model inside the program was unpacked there, and is gone.
    assert podman("exec", container.name, "ls", "-A", "/tmp") == ""
    kept = podman("exec", container.name, "ls", "/var/lib/zyron").split()
    assert {"keys.sqlite", "audit", "provenance.pem", "running.json"} <= set(kept)


def test_it_needs_a_place_for_what_it_unpacks(image, volume, key):
    """Were the root not read-only, or /tmp not all that is written to, this would start."""
    said = podman("run", "--rm", *LOCKED, "--env=ZYRON_API_KEY=0123456789abcdef", image, "serve", ok=False, timeout=60)
    assert "cannot write the model of this program to a temporary file" in said


def test_a_stop_lets_it_end_by_itself(image, volume, key):
    # Not the container of the other tests: one server at a time runs with a state folder.
    name = f"zyron-{uuid.uuid4()}"
    podman("run", "--detach", "--name", name, *LOCKED, TMP, "--env=ZYRON_API_KEY=0123456789abcdef", image, "serve")
    container = Container(name)
    try:
        wait_until_ready(container.process, container.logs)
        podman("stop", "--time", "40", name)
        assert podman("inspect", "--format", "{{.State.ExitCode}}", name) == "0\n"
    finally:
        podman("rm", "--force", "--time", "0", name)
