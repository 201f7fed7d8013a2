"""What every answer carries in its headers, whole or streamed, good or bad."""

import re

import openai
import pytest

MINE = {"X-Request-Id": "dossier-42_a"}


def checked(headers):
    """The request id, after a look at the others."""
    assert headers["openai-version"] == "2020-10-01"
    assert re.fullmatch(r"\d+", headers["openai-processing-ms"])
    assert headers["x-request-id"]
    return headers["x-request-id"]


def test_of_whole_answers(server):
    raw = server.client.with_raw_response
    bodies = [
        raw.chat.completions.create(**server.asked()),
        raw.completions.create(model=server.model, prompt=server.prompt, max_tokens=4),
        raw.responses.create(**server.responded()),
        raw.models.list(),
    ]
    ids = [checked(body.headers) for body in bodies]
    assert len(set(ids)) == len(ids), "each is made anew"
    for body, id in zip(bodies, ids, strict=True):
        assert body.status_code == 200
        assert body.parse()._request_id == body.request_id == id


def test_of_streams(server):
    streaming = server.client.chat.completions.with_streaming_response.create(**server.asked(stream=True))
    with streaming as answer:
        checked(answer.headers)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "data: [DONE]" in list(answer.iter_lines())


def test_of_raw_streams(server):
    answer = server.client.chat.completions.with_raw_response.create(**server.asked(stream=True))
    checked(answer.headers)
    chunks = list(answer.parse())
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == server.chat().choices[0].message.content


def test_a_request_id_is_echoed(server):
    raw = server.client.with_raw_response
    assert checked(raw.chat.completions.create(**server.asked(), extra_headers=MINE).headers) == "dossier-42_a"
    assert server.chat(extra_headers=MINE)._request_id == "dossier-42_a"
    streamed = raw.chat.completions.create(**server.asked(stream=True), extra_headers=MINE)
    assert checked(streamed.headers) == "dossier-42_a"
    list(streamed.parse())


def test_of_errors(server):
    with pytest.raises(openai.BadRequestError) as caught:
        server.chat(temperature=3, extra_headers=MINE)
    assert checked(caught.value.response.headers) == caught.value.request_id == "dossier-42_a"
    with pytest.raises(openai.NotFoundError) as caught:
        server.client.models.retrieve("no-such-model")
    assert checked(caught.value.response.headers) == caught.value.request_id


@pytest.mark.parametrize("path", ["/health/live", "/tokenizer_info", "/openapi.json", "/no-such-path"])
def test_of_other_paths(server, path):
    assert checked(server.http.get(path, headers=MINE).headers) == "dossier-42_a"


@pytest.mark.parametrize("id", ["", "x" * 4096, 'a"b\\c'], ids=["empty", "long", "odd"])
def test_an_id_that_is_none_is_replaced(server, id):
    """It would be written to the log."""
    assert checked(server.http.get("/v1/models", headers={"X-Request-Id": id}).headers) != id
