"""A Debian that has nothing but what it must, and the programs that the tests here drive."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ["ZYRON_PACKAGE_CACHE"])
BINARY = Path(os.environ["ZYRON_BIN"])
LIST = Path(os.environ["ZYRON_LIST"])
RELEASE = "trixie"

MESSAGES = [{"role": "user", "content": "Qu'est-ce que le besoin en fonds de roulement ?"}]
QUESTION = {"model": "zyron-mini", "messages": MESSAGES, "max_tokens": 8, "temperature": 0}

# Runs in the network of another process.
CLIENT = """
import sys, urllib.error, urllib.request
url, key = sys.argv[1:3]
headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
request = urllib.request.Request(url, headers=headers, data=sys.stdin.buffer.read() or None)
try:
    with urllib.request.urlopen(request, timeout=60) as response:
        print(response.status, response.read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
except urllib.error.URLError as error:
    print(0, error.reason)
"""


def run(*command, ok=True, text=None, **options):
    """What a program writes; it must succeed, or fail, as `ok` says."""
    command = [str(word) for word in command]
    options = {"timeout": 300, **options}
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False, **options)
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == ok, f"{' '.join(command)}: {done.returncode}\n{said}"
    return done.stdout if ok else said


def ask(process, path, key="", data=None):
    """The status and the text that the server on port 8080 of a process's network answers; status 0: none."""
    url = f"http://127.0.0.1:8080{path}"
    client = ["nsenter", f"--net=/proc/{process}/ns/net", sys.executable, "-c", CLIENT, url, key]
    status, text = run(*client, text=json.dumps(data) if data else "").split(" ", 1)
    return int(status), text


def wait_until_ready(process, logs):
    """Until it can be sent requests."""
    deadline = time.monotonic() + 60
    while ask(process, "/health/ready")[0] != 200:
        assert time.monotonic() < deadline, logs()
        time.sleep(0.2)


def answer(process, key=""):
    """What the model says to a question."""
    status, text = ask(process, "/v1/chat/completions", key, QUESTION)
    assert status == 200, text
    return json.loads(text)["choices"][0]["message"]["content"]


@pytest.fixture(scope="session")
def debian():
    """The archive of a minimal Debian, made once."""
    archive = CACHE / f"debian-{RELEASE}.tar"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = CACHE / "unfinished.tar"
        mirror = "http://deb.debian.org/debian"
        run("mmdebstrap", "--quiet", "--variant=minbase", RELEASE, unfinished, mirror, timeout=600)
        unfinished.rename(archive)
    return archive
