"""The servers under test. `cargo xtask test` starts them and sets the variables that say where they are.

- `real` (ZYRON_BASE_URL) serves a small model, as users start it: one request at a time.
- `scripted` (ZYRON_SCRIPTED_URL) serves no model: it repeats what follows `say `, writes whatever a constraint allows,
  and keeps responses.
- ZYRON_BUSY_URL is a scripted server with one place and no queue.

`server` is the first and then the second: what can be shown on both is shown on both.
"""

import os

import pytest
from servers import Server

VARIABLES = ["ZYRON_BASE_URL", "ZYRON_SCRIPTED_URL", "ZYRON_BUSY_URL"]


def pytest_configure():
    for name in VARIABLES:
        if not os.environ.get(name):
            raise pytest.UsageError(f"{name} is not set; `cargo xtask test` starts a server and sets it")


def running(variable, question, prompt):
    server = Server(os.environ[variable], question, prompt)
    yield server
    server.close()


@pytest.fixture(scope="session")
def real():
    yield from running("ZYRON_BASE_URL", "List three fruits.", "The capital of France is")


@pytest.fixture(scope="session")
def scripted():
    words = "say Apples, pears and plums are fruits."
    yield from running("ZYRON_SCRIPTED_URL", words, words)


@pytest.fixture(scope="session")
def busy():
    yield from running("ZYRON_BUSY_URL", "say Hello.", "say Hello.")


@pytest.fixture(scope="session", params=["real", "scripted"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def connection(real):
    """What a client of any kind is made with."""
    return real.connection


@pytest.fixture(scope="session")
def client(real):
    return real.client


@pytest.fixture(scope="session")
def lenient_client(real):
    """For streamed completions: the client's own type has no `null` as `finish_reason`, which OpenAI's server sends."""
    return real.lenient


@pytest.fixture(scope="session")
def model(client):
    """The one model that is served."""
    (model,) = client.models.list().data
    return model
