"""OpenAI's Python client, unchanged, against the server at ZYRON_BASE_URL.

The client is strict: an answer that does not match its types is an error. It never retries, so that no failure is
hidden, and waits a minute at most, so that no answer is waited for in vain.
"""

import os

import pytest
from openai import OpenAI


def pytest_configure():
    if not os.environ.get("ZYRON_BASE_URL"):
        raise pytest.UsageError("ZYRON_BASE_URL is not set; `cargo xtask test` starts a server and sets it")


@pytest.fixture(scope="session")
def connection():
    """What a client of any kind is made with. No key is needed on loopback, but the client insists on one."""
    return {
        "base_url": os.environ["ZYRON_BASE_URL"] + "/v1",
        "api_key": "none",
        "max_retries": 0,
        "timeout": 60,
        "_strict_response_validation": True,
    }


@pytest.fixture(scope="session")
def client(connection):
    with OpenAI(**connection) as client:
        yield client


@pytest.fixture(scope="session")
def lenient_client(connection):
    """For streamed completions: the client's own type has no `null` as `finish_reason`, which OpenAI's server sends."""
    with OpenAI(**connection | {"_strict_response_validation": False}) as client:
        yield client


@pytest.fixture(scope="session")
def model(client):
    """The one model that is served."""
    (model,) = client.models.list().data
    return model
