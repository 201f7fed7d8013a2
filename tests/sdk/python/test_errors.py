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
        ({"n": 2}, "n"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
    ],
    ids=lambda value: value if isinstance(value, str) else "refused",
)
def test_the_field_at_fault_is_named(refused, options, param):
    assert refused(openai.BadRequestError, **options).param == param


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
        client.completions.create(model=model.id, prompt="Hello", n=2)
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", "n")


def test_a_path_that_does_not_exist_has_the_same_error(client, model):
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model=model.id, input="Hello")
    assert caught.value.type == "invalid_request_error"
    assert caught.value.message
