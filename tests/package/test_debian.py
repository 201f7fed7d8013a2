"""The Debian package, installed by apt into a minimal Debian that systemd boots in a container, and the way of
docs/operations.md from the first start to an upgrade and back. The service runs with all that its unit forbids."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from conftest import answer, ask, run, wait_until_ready

DEB = Path(os.environ["ZYRON_DEB"])
UNIT = "/usr/lib/systemd/system/zyron.service"
STATE = "/var/lib/zyron"
# The most that `systemd-analyze security` may find to object to, of 100. The network is most of it.
EXPOSURE = 15


@pytest.fixture(scope="module")
def root(debian, tmp_path_factory):
    """A Debian with the package in it."""
    folder = tmp_path_factory.mktemp("debian")
    run("tar", "--extract", "--file", debian, "--directory", folder)
    shutil.copy("/etc/resolv.conf", folder / "etc" / "resolv.conf")
    shutil.copy(DEB, folder / "zyron.deb")
    within(folder, "apt-get", "update")
    # As an operator's Debian has it, and its own `apt install ./zyron.deb`.
    install(folder, "systemd-sysv")
    install(folder, "/zyron.deb")
    return folder


def within(folder, *command, **options):
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    return run("chroot", folder, *command, env=environment, **options)


def install(folder, package):
    within(folder, "apt-get", "install", "--yes", "--no-install-recommends", package)


class Machine:
    """The Debian, booted."""

    def __init__(self, root):
        command = ["systemd-nspawn", "--quiet", "--boot", "--private-network", "--register=no", "--keep-unit",
                   "--console=pipe", "--directory", str(root)]
        self.log = (root.parent / f"{root.name}.log").open("w")
        self.nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.first = self.wait_for_first()
            self.wait_for_boot()
        except BaseException:
            self.stop()
            raise

    def wait_for_first(self):
        children = Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for child in children.read_text().split():
                if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                    return int(child)
            time.sleep(0.1)
        raise AssertionError(Path(self.log.name).read_text())

    def wait_for_boot(self):
        deadline = time.monotonic() + 60
        state = ""
        while state not in ("running", "degraded"):
            assert time.monotonic() < deadline, f"{state}: {Path(self.log.name).read_text()}"
            time.sleep(0.2)
            entered = ["nsenter", f"--target={self.first}", "--all", "--root", "--wd=/", "systemctl", "is-system-running"]
            state = subprocess.run(entered, text=True, capture_output=True, check=False).stdout.strip()
        assert state == "running", self.run("systemctl", "--failed", "--no-pager")

    def run(self, *command, **options):
        return run("nsenter", f"--target={self.first}", "--all", "--root", "--wd=/", "--", *command, **options)

    def zyron(self, *command, **options):
        """As the service's user, which is what `sudo -u zyron zyron` does."""
        return self.run("runuser", "--user", "zyron", "--", "zyron", *command, **options)

    def show(self, name):
        return self.run("systemctl", "show", "--value", "--property", name, "zyron").strip()

    def logs(self):
        return self.run("journalctl", "--no-pager", "--unit", "zyron")

    def start(self):
        self.run("systemctl", "start", "zyron")
        wait_until_ready(self.first, self.logs)

    def stop(self):
        # What systemd takes for an order to power off.
        if hasattr(self, "first"):
            os.kill(self.first, 38)  # SIGRTMIN+4
        try:
            self.nspawn.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.nspawn.kill()
            self.nspawn.wait()
        self.log.close()


@pytest.fixture(scope="module")
def machine(root):
    machine = Machine(root)
    yield machine
    machine.stop()


@pytest.fixture
def service(machine):
    """The machine, with a server that can be sent requests."""
    machine.start()
    return machine


def test_all_is_where_the_documentation_says(root):
    assert within(root, "dpkg", "--verify", "zyron") == ""
    kept = within(root, "dpkg-query", "--show", "--showformat=${Conffiles}", "zyron")
    assert re.findall(r"/\S+", kept) == ["/etc/zyron/zyron.toml", "/etc/zyron/environment"]
    assert (root / "etc/zyron/environment").stat().st_mode & 0o777 == 0o600
    assert within(root, "getent", "passwd", "zyron").endswith("/usr/sbin/nologin\n")
    assert within(root, "zyron", "--version").startswith("zyron ")
    assert (root / "usr/share/doc/zyron/zyron.cdx.json").is_file()
    # Whoever installs it says when it starts.
    assert within(root, "systemctl", "is-enabled", "zyron", ok=False).startswith("disabled\n")


def test_systemd_has_nothing_to_complain_of(root):
    assert within(root, "systemd-analyze", "verify", UNIT) == ""


def test_the_service_is_shut_in(root):
    measure = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}"]
    said = within(root, *measure, UNIT)
    print(said.splitlines()[-1])
    # The measure can fail.
    unit = root / "tmp" / "open.service"
    unit.write_text("[Service]\nExecStart=/usr/bin/zyron serve\n")
    within(root, *measure, "/tmp/open.service", ok=False)


def test_the_way_from_the_first_start_to_an_upgrade_and_back(machine):
    # The first start: on loopback, where no key is needed.
    machine.run("systemctl", "enable", "zyron")
    machine.start()
    first = answer(machine.first)

    # The first key; from then on nobody is let in without.
    key = machine.zyron("keys", "--state", STATE, "create", "--owner", "Société Exemple").strip()
    deadline = time.monotonic() + 10
    while ask(machine.first, "/v1/models")[0] != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert answer(machine.first, key) == first

    # A backup, beside the server that runs.
    archive = "/var/backups/zyron.tar"
    machine.run("zyron", "backup", "--state", STATE, "--to", archive)

    # The upgrade starts it again, and what it kept is there. Here it is to the same version.
    before = machine.show("ExecMainPID")
    machine.run("dpkg", "--install", "/zyron.deb")
    wait_until_ready(machine.first, machine.logs)
    assert machine.show("ExecMainPID") != before
    assert answer(machine.first, key) == first

    # The way back: what was kept before the upgrade, in a new folder.
    machine.run("systemctl", "stop", "zyron")
    assert machine.show("Result") == "success"
    machine.run("mv", STATE, f"{STATE}.after")
    machine.run("zyron", "restore", "--state", STATE, "--from", archive)
    machine.run("chown", "--recursive", "zyron:zyron", STATE)
    machine.start()
    assert answer(machine.first, key) == first
    assert "None was changed" in machine.zyron("audit", "--state", STATE, "verify")


def test_a_reload_says_what_it_cannot_read_and_the_server_goes_on(service):
    process = service.show("ExecMainPID")
    service.run("systemctl", "reload", "zyron")
    config = service.run("cat", "/etc/zyron/zyron.toml")
    service.run("sh", "-c", "echo nonsense = 1 >> /etc/zyron/zyron.toml")
    service.run("systemctl", "reload", "zyron", ok=False)
    service.run("sh", "-c", "cat > /etc/zyron/zyron.toml", text=config)
    service.run("systemctl", "reload", "zyron")
    assert service.show("ExecMainPID") == process
    assert ask(service.first, "/health/ready")[0] == 200


def test_what_dies_is_started_again_and_leaves_a_record(service):
    process = service.show("ExecMainPID")
    service.run("systemctl", "kill", "--signal=KILL", "zyron")
    deadline = time.monotonic() + 20
    while service.show("ExecMainPID") in (process, "0"):
        assert time.monotonic() < deadline, service.logs()
        time.sleep(0.1)
    wait_until_ready(service.first, service.logs)
    assert service.run("ls", f"{STATE}/incidents").endswith(".json\n")


def test_it_sees_and_may_do_only_what_the_unit_leaves(service):
    process = service.show("ExecMainPID")
    status = service.run("cat", f"/proc/{process}/status")
    for line in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert line in status
    assert "Max open files            16384 " in service.run("cat", f"/proc/{process}/limits")
    # As the service itself would see it.
    inside = ["nsenter", f"--target={process}", "--mount", "--root", "--wd=/", "--"]
    service.run(*inside, "sh", "-c", "! touch /usr/zyron /etc/zyron/zyron 2>/dev/null")
    assert service.run(*inside, "ls", "-A", "/tmp") == ""
    assert service.run("stat", "--format", "%U %a", STATE) == "zyron 700\n"


def test_removal_leaves_what_was_kept(service):
    service.run("apt-get", "purge", "--yes", "zyron")
    assert service.run("sh", "-c", "systemctl is-active zyron || true") != "active\n"
    assert "keys.sqlite" in service.run("ls", STATE)
    service.run("sh", "-c", "! test -e /etc/zyron")
