"""A server with keys and limits, started as an operator would, and OpenAI's client before it."""

import os
import re
import subprocess

import openai
import pytest

ZYRON = os.environ["ZYRON_BIN"]


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def keys(state):
    def create(*arguments):
        command = [ZYRON, "keys", "create", "--state", state, "--owner", "Société Exemple", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    return {
        "finance": create("--scopes", "finance"),
        "daily": create("--requests-per-minute", "5", "--tokens-per-day", "100000"),
        "slow": create("--requests-per-minute", "30"),
        "free": create(),
    }


@pytest.fixture(scope="module")
def server(state, keys):
    command = [ZYRON, "serve", "--port", "0", "--state", state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        ready = (re.search(r"Zyron is ready at (\S+)", line) for line in process.stdout)
        yield next(found for found in ready if found).group(1) + "/v1"
        process.terminate()


@pytest.fixture
def client(server):
    clients = []

    def with_key(text, **options):
        clients.append(openai.OpenAI(base_url=server, api_key=text, **{"max_retries": 0, **options}))
        return clients[-1]

    yield with_key
    for client in clients:
        client.close()


def ask(client, **options):
    model = client.models.list().data[0].id
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Bonjour"}], max_tokens=1, **options
    )


def test_a_wrong_key_is_refused(client):
    with pytest.raises(openai.AuthenticationError) as error:
        ask(client("zyr_nobody_nothing"))
    assert error.value.code == "invalid_api_key"


def test_a_key_without_the_scope_is_refused(client, keys):
    with pytest.raises(openai.PermissionDeniedError) as error:
        ask(client(keys["finance"]))
    assert error.value.code == "insufficient_scope"


def test_the_quota_is_read_back(client, keys):
    limited = client(keys["daily"])
    model = limited.models.list().data[0].id
    answer = limited.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": "Bonjour"}], max_tokens=1
    )
    assert answer.headers["x-ratelimit-limit-requests"] == "5"
    assert answer.headers["x-ratelimit-remaining-requests"] == "4"
    assert answer.headers["x-ratelimit-limit-tokens"] == "100000"
    assert int(answer.headers["x-ratelimit-remaining-tokens"]) < 100000


def test_a_limit_raises_and_the_client_waits_where_it_may(client, keys):
    text = keys["slow"]
    impatient, patient = client(text), client(text, max_retries=3)
    with pytest.raises(openai.RateLimitError) as error:
        for _ in range(40):
            ask(impatient)
    assert error.value.code == "rate_limit_exceeded"
    assert 1 <= int(error.value.response.headers["retry-after"]) <= 60
    assert ask(patient).usage.completion_tokens == 1


@pytest.mark.parametrize("is_streamed", [False, True])
def test_an_answer_is_signed_and_verified(client, keys, server, tmp_path, is_streamed):
    signed = {"extra_body": {"zyron_provenance": True}, "stream": is_streamed}
    answer = ask(client(keys["free"]), **signed)
    if is_streamed:
        deltas = [chunk.choices[0].delta for chunk in answer if chunk.choices]
        text = "".join(delta.content or "" for delta in deltas)
        [token] = [token for delta in deltas if (token := getattr(delta, "zyron_provenance", None))]
    else:
        text, token = answer.choices[0].message.content, answer.choices[0].message.zyron_provenance
    file = tmp_path / "text.txt"

    def verify(content):
        file.write_bytes(content.encode())
        command = [ZYRON, "provenance", "verify", file, "--token", token, "--url", server.removesuffix("/v1")]
        return subprocess.run(command, capture_output=True, text=True)

    assert verify(text).returncode == 0
    assert "of another text" in verify(text + ".").stderr
