"""OpenAI's own flow for batches: upload, create, poll, download."""

import json
import os
import re
import subprocess
import time

import openai
import pytest

ZYRON = os.environ["ZYRON_BIN"]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    environment = {**os.environ, "ZYRON__BATCH__ENABLED": "true"}
    command = [ZYRON, "serve", "--port", "0", "--state", state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        ready = (re.search(r"Zyron is ready at (\S+)", line) for line in process.stdout)
        base = next(found for found in ready if found).group(1) + "/v1"
        with openai.OpenAI(base_url=base, api_key="none", max_retries=0) as client:
            yield client
        process.terminate()


def line(name, model, **body):
    request = {"model": model, "messages": [{"role": "user", "content": "Bonjour"}], "max_tokens": 2, **body}
    return json.dumps({"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": request})


def finished(client, batch):
    while batch.status in ("validating", "in_progress", "finalizing", "cancelling"):
        time.sleep(0.02)
        batch = client.batches.retrieve(batch.id)
    return batch


def test_requests_are_answered_and_errors_are_apart(client):
    model = client.models.list().data[0].id
    requests = "\n".join([line("one", model), line("two", "none"), line("three", model)])
    file = client.files.create(file=("requests.jsonl", requests.encode()), purpose="batch")
    assert (file.purpose, file.bytes, file.filename) == ("batch", len(requests), "requests.jsonl")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"for": "a test"}
    )
    batch = finished(client, batch)
    assert batch.status == "completed", batch
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (3, 2, 1)
    answers = [json.loads(text) for text in client.files.content(batch.output_file_id).text.splitlines()]
    assert [answer["custom_id"] for answer in answers] == ["one", "three"]
    chat = openai.types.chat.ChatCompletion.model_validate(answers[0]["response"]["body"])
    assert chat.usage.completion_tokens == 2
    [error] = [json.loads(text) for text in client.files.content(batch.error_file_id).text.splitlines()]
    assert (error["custom_id"], error["response"]["status_code"]) == ("two", 404)
    assert [listed.id for listed in client.batches.list()] == [batch.id]
    assert {listed.id for listed in client.files.list()} == {file.id, batch.output_file_id, batch.error_file_id}
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


def test_a_batch_can_be_cancelled(client):
    model = client.models.list().data[0].id
    requests = "\n".join(line(f"request-{number}", model, max_tokens=200) for number in range(500))
    file = client.files.create(file=("many.jsonl", requests.encode()), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    client.batches.cancel(batch.id)
    batch = finished(client, batch)
    assert batch.status == "cancelled" and batch.request_counts.completed < 500


def test_a_file_that_is_wrong_is_said(client):
    file = client.files.create(file=("wrong.jsonl", b"{}\n"), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    batch = finished(client, batch)
    assert batch.status == "failed" and batch.errors.data[0].line == 1
    with pytest.raises(openai.BadRequestError) as error:
        client.files.create(file=("x", b"x"), purpose="fine-tune")
    assert error.value.param == "purpose"
