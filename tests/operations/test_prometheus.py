"""Prometheus, unchanged, against the scripted server: what it scrapes, and whether the dashboard and the alerts of
`deploy/` ask for what is there. The programs are Debian's package `prometheus`."""

import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

SERVER = os.environ["ZYRON_SCRIPTED_URL"].rstrip("/")
DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus"

# What a rule or a panel may name: our metrics, the process's, and the one that Prometheus makes itself.
METRIC = re.compile(r"\b(?:zyron_\w+|gen_ai_(?:server|client)_\w+|process_\w+|up)\b")


def get(url, headers=None, data=None):
    request = urllib.request.Request(url, headers=headers or {}, data=data)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read().decode()


def promtool(*arguments, text=None):
    done = subprocess.run(["promtool", *arguments], input=text, text=True, capture_output=True, cwd=RULES, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module", autouse=True)
def traffic():
    for route, body in [
        ("chat/completions", {"messages": [{"role": "user", "content": "Salut"}]}),
        ("completions", {"prompt": "Salut", "max_tokens": 8}),
    ]:
        data = json.dumps({"model": "scripted", **body}).encode()
        get(f"{SERVER}/v1/{route}", {"content-type": "application/json"}, data)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """A Prometheus that scrapes the scripted server with the configuration of `deploy/`, and has done so."""
    folder = tmp_path_factory.mktemp("prometheus")
    config = (RULES / "prometheus.yml").read_text()
    for ours, here in [
        ("127.0.0.1:8080", SERVER.removeprefix("http://")),
        ("zyron.rules.yml", str(RULES / "zyron.rules.yml")),
        ("15s", "1s"),
    ]:
        assert ours in config
        config = config.replace(ours, here)
    (folder / "prometheus.yml").write_text(config)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    base = f"http://{address}"
    try:
        deadline = time.monotonic() + 20
        while not scraped(base):
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        yield base
    finally:
        process.terminate()
        process.wait(timeout=20)


def ask(base, path, **query):
    answer = json.loads(get(f"{base}/api/v1/{path}?{urllib.parse.urlencode(query)}"))
    assert answer["status"] == "success", answer
    return answer["data"]


def scraped(base):
    try:
        return ask(base, "query", query="zyron_ready")["result"]
    except (urllib.error.URLError, ConnectionError):
        return False


def expressions():
    dashboard = json.loads((DEPLOY / "grafana" / "zyron.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")


def test_metrics_are_written_as_prometheus_wants_them():
    assert promtool("check", "metrics", text=get(f"{SERVER}/metrics")) == ""


def test_openmetrics_is_served_to_who_asks_for_it():
    text = get(f"{SERVER}/metrics", {"accept": "application/openmetrics-text"})
    assert text.endswith("# EOF\n")


def test_rules_and_configuration_are_valid():
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "zyron.rules.yml")


def test_each_alert_comes_when_it_must_and_only_then():
    promtool("test", "rules", "zyron.test.yml")


def test_prometheus_has_what_the_server_says(prometheus):
    result = ask(prometheus, "query", query='zyron_requests_total{route="/v1/chat/completions",status="2xx"}')["result"]
    assert sum(float(series["value"][1]) for series in result) >= 1
    targets = ask(prometheus, "targets")["activeTargets"]
    assert [(target["health"], target["lastError"]) for target in targets] == [("up", "")]


def test_the_dashboard_and_the_alerts_ask_for_what_is_there(prometheus):
    known = set(ask(prometheus, "label/__name__/values"))
    rules = [rule for group in ask(prometheus, "rules")["groups"] for rule in group["rules"]]
    asked = list(expressions()) + [(rule["name"], rule["query"]) for rule in rules]
    assert len(rules) >= 9 and len(asked) > len(rules)
    for title, expression in asked:
        # Refused with 400 where it does not parse.
        ask(prometheus, "query", query=expression)
        names = set(METRIC.findall(expression))
        assert names and names <= known, f"{title}: {names - known} of {expression}"
    # A rule that cannot be evaluated says so.
    assert not [rule for rule in rules if rule.get("lastError")]


def test_a_panel_shows_something(prometheus):
    shown = ask(prometheus, "query", query='sum(gen_ai_client_token_usage_sum{gen_ai_token_type="output"})')["result"]
    assert float(shown[0]["value"][1]) > 0
