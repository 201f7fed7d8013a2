"""What is refused is refused in OpenAI's words, and the client raises the exception meant for it."""

import re

import openai
import pytest

HELLO = [{"role": "user", "content": "Hello."}]


@pytest.fixture
def refused(client, model):
    """Sends what must be refused, and returns the error."""

    def refused(kind, **options):
        defaults = {"model": model.id, "messages": HELLO, "max_tokens": 4}
        with pytest.raises(kind) as caught:
            client.chat.completions.create(**defaults | options)
        error = caught.value
        assert error.type == "invalid_request_error"
        assert error.message
        assert error.request_id, "an error can be looked up in the log"
        return error

    return refused


@pytest.mark.parametrize(
    "options, param",
    [
        ({"temperature": 3}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"presence_penalty": -3}, "presence_penalty"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"messages": []}, "messages"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
    ],
    ids=lambda value: value if isinstance(value, str) else "refused",
)
def test_the_field_at_fault_is_named(refused, options, param):
    assert refused(openai.BadRequestError, **options).param.startswith(param)


@pytest.mark.parametrize(
    "options",
    [
        {"audio": {"format": "mp3", "voice": "alloy"}},
        {"modalities": ["text", "audio"]},
        {"prediction": {"type": "content", "content": "Hello."}},
        {"web_search_options": {"search_context_size": "low"}},
        {"functions": [{"name": "f"}]},
        {"function_call": {"name": "f"}},
        {"verbosity": "high"},
        {"reasoning_effort": "high"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_cannot_be_done_is_refused_by_name(refused, options):
    error = refused(openai.BadRequestError, **options)
    assert (error.code, error.param) == ("unsupported_parameter", next(iter(options)))


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ],
    ids=lambda part: part["type"],
)
def test_what_is_not_text_is_refused(refused, part):
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, part]}]
    error = refused(openai.BadRequestError, messages=messages)
    assert error.code == "unsupported_parameter"
    assert error.param.startswith("messages[0].content[1]")


def test_what_happens_anyway_may_be_asked_for(server):
    anyway = {
        "n": 1,
        "modalities": ["text"],
        "verbosity": "medium",
        "reasoning_effort": "none",
        "tools": [],
        "response_format": {"type": "text"},
        "logprobs": False,
        "user": "someone",
        "metadata": {"dossier": "42"},
        "store": True,
        "service_tier": "auto",
        "safety_identifier": "someone",
        "prompt_cache_key": "key",
    }
    assert server.chat(**anyway).choices == server.chat().choices


def test_an_unknown_field_is_refused(refused):
    error = refused(openai.BadRequestError, extra_body={"tempreature": 1})
    assert error.param == "tempreature"
    assert "tempreature" in error.message


def test_a_wrong_type_is_refused(refused):
    assert refused(openai.BadRequestError, temperature="hot").param == "temperature"


def test_an_unknown_model_is_not_found(refused):
    error = refused(openai.NotFoundError, model="no-such-model")
    assert (error.code, error.param) == ("model_not_found", "model")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(refused, model, stream):
    words = 10_000
    messages = [{"role": "user", "content": "word " * words}]
    error = refused(openai.BadRequestError, messages=messages, stream=stream)
    assert error.code == "context_length_exceeded"
    numbers = [int(number) for number in re.findall(r"\d+", error.message)]
    assert model.context_length == 8192
    assert 8192 in numbers
    assert any(words <= number < words + 100 for number in numbers), error.message


def test_a_completion_is_refused_alike(client, model):
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model=model.id, prompt="Hello", temperature=3)
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", "temperature")


def test_a_path_that_does_not_exist_has_the_same_error(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.moderations.create(input="Hello")
    assert caught.value.type == "invalid_request_error"
    assert caught.value.message


def test_a_model_that_generates_text_makes_no_embeddings(client, model):
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=model.id, input="Hello")
    assert caught.value.param == "model"


def test_a_failure_is_told_before_an_answer_is_begun_or_within_it(scripted):
    with pytest.raises(openai.InternalServerError) as caught:
        scripted.chat("fail")
    assert caught.value.request_id
    text = ""
    with pytest.raises(openai.APIError) as caught:
        for chunk in scripted.chat("fail", stream=True):
            text += chunk.choices[0].delta.content or ""
    assert text == "abc"
    assert caught.value.message
