"""A collector of OpenTelemetry traces, unchanged, and what two servers send it: one that passes requests on, and one that
answers them."""

import contextlib
import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import rotel

ZYRON = os.environ["ZYRON_BIN"]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"


def free_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


class Collector:
    def __init__(self, folder):
        self.address = free_address()
        self.log = folder / "collector.log"
        agent = Path(rotel.__file__).with_name("rotel-agent")
        command = [agent, "start", "--exporter", "blackhole", "--debug-log", "traces"]
        command += ["--debug-log-verbosity", "detailed", "--otlp-http-endpoint", self.address]
        command += ["--otlp-grpc-endpoint", free_address(), "--pid-file", folder / "pid", "--batch-timeout", "10ms"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while True:
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            with contextlib.suppress(OSError), socket.create_connection(self.address.split(":"), timeout=1):
                return
            time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        return self.log.read_text()


@contextlib.contextmanager
def zyron(collector, **environment):
    # What ends well sends its last spans.
    environment = {**os.environ, "ZYRON__TRACES__ENDPOINT": f"http://{collector.address}", **environment}
    environment.pop("ZYRON_API_KEY", None)
    process = subprocess.Popen(
        [ZYRON, "serve", "--port", "0"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        ready = (re.search(r"Zyron is ready at (\S+)", line) for line in process.stdout)
        yield next(found for found in ready if found).group(1)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def ask(base, path, body, headers):
    data = json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, {"content-type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def ask_until_there(base, *arguments):
    """A server that passes requests on is ready before it knows that there is one to pass them to."""
    for _ in range(100):
        with contextlib.suppress(urllib.error.HTTPError):
            return ask(base, *arguments)
        time.sleep(0.1)
    raise AssertionError("the server behind is not found")


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    collector = Collector(tmp_path_factory.mktemp("traces"))
    with zyron(collector) as back:
        servers = {"ZYRON__ENGINE__KIND": "upstream", "ZYRON__UPSTREAM__SERVERS": f"{back}/v1"}
        with zyron(collector, **servers) as front:
            body = {"model": "zyron-mini", "messages": [{"role": "user", "content": "canari-8d2e"}], "max_tokens": 4}
            headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
            usage = ask_until_there(front, "/v1/chat/completions", body, headers)["usage"]
            with pytest.raises(urllib.error.HTTPError):
                ask(back, "/v1/completions", {"model": "zyron-mini"}, {})
            with urllib.request.urlopen(f"{back}/health/ready", timeout=10) as ready:
                assert ready.status == 200
    return collector.stop(), usage


def spans(log):
    """Each span of the log, as the names and values of what is said of it."""
    found = []
    for part in re.split(r"^Span #\d+$", log, flags=re.M)[1:]:
        about = dict(re.findall(r"^    (\w[\w ]*?) *: (.*)$", part, flags=re.M))
        times = dict(re.findall(r"^(Start|End) time: (\d+)$", part, flags=re.M))
        values = dict(re.findall(r"^     -> ([\w.]+): \w+\((.*)\)$", part, flags=re.M))
        found.append({**about, **{name: int(at) for name, at in times.items()}, "attributes": values})
    return found


def test_one_request_is_one_trace_through_both_servers(collected):
    log, usage = collected
    assert "service.name: Str(zyron)" in log and "canari-8d2e" not in log
    traced = [span for span in spans(log) if span["Trace ID"] == TRACE]
    # Others may have found nobody behind it yet.
    answered = [span for span in traced if span["attributes"].get("http.response.status_code") == "200"]
    [front] = [span for span in answered if span["Parent ID"] == CALLER]
    [back] = [span for span in traced if span["Parent ID"] == front["ID"]]
    for span in (front, back):
        assert (span["Name"], span["Kind"]) == ("POST /v1/chat/completions", "SPAN_KIND_SERVER")
        assert span["attributes"]["http.response.status_code"] == "200"
    assert front["Start"] <= back["Start"]
    said = back["attributes"]
    assert (said["gen_ai.request.model"], said["gen_ai.operation.name"]) == ("zyron-mini", "chat")
    assert int(said["gen_ai.usage.input_tokens"]) == usage["prompt_tokens"]
    assert int(said["gen_ai.usage.output_tokens"]) == usage["completion_tokens"]
    parts = sorted((span for span in traced if span["Parent ID"] == back["ID"]), key=lambda span: span["Start"])
    assert [span["Name"] for span in parts] == ["queue", "prefill", "decode"]
    assert parts[0]["End"] == parts[1]["Start"] and parts[1]["End"] == parts[2]["Start"]
    assert back["Start"] <= parts[0]["Start"] and parts[2]["End"] == back["End"]


def test_a_request_that_is_wrong_is_a_trace_too_and_a_look_at_the_server_is_none(collected):
    names = [(span["Name"], span["attributes"].get("error.type")) for span in spans(collected[0])]
    assert ("POST /v1/completions", "400") in names
    assert not any("/health" in name for name, _ in names)
