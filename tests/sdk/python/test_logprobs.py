"""Log-probabilities: natural logarithms of the model's own distribution, in the shapes of both endpoints."""

import math

import openai
import pytest

WITH_LOGPROBS = {"logprobs": True, "top_logprobs": 5}


def entries(answer):
    return answer.choices[0].logprobs.content


def joined(parts):
    return b"".join(bytes(part.bytes) for part in parts)


def test_the_shape_in_chat(server):
    answer = server.chat(**WITH_LOGPROBS)
    choice = answer.choices[0]
    assert choice.finish_reason == "length"
    assert choice.logprobs.refusal is None
    assert len(entries(answer)) == answer.usage.completion_tokens
    assert joined(entries(answer)) == choice.message.content.encode()
    for entry in entries(answer):
        top = entry.top_logprobs
        assert len(top) == 5
        assert all(part.token.encode() == bytes(part.bytes) for part in [entry, *top] if "bytes:" not in part.token)
        assert [part.logprob for part in top] == sorted((part.logprob for part in top), reverse=True)
        assert (top[0].token, top[0].logprob) == (entry.token, entry.logprob), "a greedy token is the likeliest"
        assert all(part.logprob <= 0 for part in top)
        assert sum(math.exp(part.logprob) for part in top) <= 1 + 1e-5


def test_the_logarithm_is_natural(real):
    """In base 10 these would sum to more than 1."""
    answer = real.chat(logprobs=True, top_logprobs=20)
    sums = [sum(math.exp(part.logprob) for part in entry.top_logprobs) for entry in entries(answer)]
    assert all(total <= 1 + 1e-5 for total in sums), sums
    assert sum(sums) / len(sums) > 0.5, "twenty tokens hold most of the probability"


def test_alternatives_are_given_where_they_are_asked_for(server):
    answer = server.chat(logprobs=True)
    assert len(entries(answer)) == 16
    assert all(entry.top_logprobs == [] for entry in entries(answer))
    assert server.chat().choices[0].logprobs is None


def test_the_end_is_not_listed_in_chat(scripted):
    answer = scripted.chat("say Bonjour", **WITH_LOGPROBS)
    assert answer.choices[0].finish_reason == "stop"
    assert [entry.token for entry in entries(answer)] == list("Bonjour")


def test_the_distribution_is_the_models_own(real):
    """Not what is left of it after penalties, bias, temperature and truncation."""
    plain = entries(real.chat(**WITH_LOGPROBS, max_tokens=1))[0]
    likeliest = real.tokenize(plain.token)
    assert len(likeliest) == 1
    # The likeliest token again, then another one.
    sharp = entries(real.chat(**WITH_LOGPROBS, max_tokens=1, temperature=2, top_p=1e-6, presence_penalty=2))[0]
    biased = entries(real.chat(**WITH_LOGPROBS, max_tokens=1, logit_bias={str(likeliest[0]): -100}))[0]
    assert sharp.token == plain.token
    assert biased.token != plain.token
    for entry in [sharp, biased]:
        assert [part.token for part in entry.top_logprobs] == [part.token for part in plain.top_logprobs]
        expected = [part.logprob for part in plain.top_logprobs]
        assert [part.logprob for part in entry.top_logprobs] == pytest.approx(expected, abs=1e-4)


def test_a_token_that_is_not_text_is_written_as_its_bytes(scripted):
    answer = scripted.chat("say é", **WITH_LOGPROBS)
    assert answer.choices[0].message.content == "é"
    assert [entry.token for entry in entries(answer)] == ["bytes:\\xc3", "bytes:\\xa9"]
    assert joined(entries(answer)) == "é".encode()


def test_a_stream_has_the_same_as_a_whole_answer(server):
    chunks = list(server.chat(**WITH_LOGPROBS, stream=True))
    parts = [choice.logprobs.content for chunk in chunks for choice in chunk.choices if choice.logprobs]
    assert [entry for part in parts for entry in part or []] == entries(server.chat(**WITH_LOGPROBS))


def test_the_clients_own_stream_helper(server):
    with server.chat_stream(**WITH_LOGPROBS) as stream:
        events = list(stream)
    (done,) = [event for event in events if event.type == "logprobs.content.done"]
    assert done.content == entries(server.chat(**WITH_LOGPROBS))


@pytest.mark.parametrize("options", [{"logprobs": True, "top_logprobs": 21}, {"top_logprobs": 2}], ids=str)
def test_what_cannot_be_asked_for_in_chat(server, options):
    with pytest.raises(openai.BadRequestError) as caught:
        server.chat(**options)
    assert caught.value.param == "top_logprobs"


def test_the_shape_in_completions(server):
    answer = server.complete(logprobs=3)
    choice = answer.choices[0]
    logprobs = choice.logprobs
    assert choice.finish_reason == "length"
    assert "".join(logprobs.tokens) == choice.text
    count = answer.usage.completion_tokens
    assert [len(logprobs.tokens), len(logprobs.token_logprobs), len(logprobs.top_logprobs)] == [count] * 3
    ends = [offset - logprobs.text_offset[0] for offset in logprobs.text_offset[1:]]
    assert ends == [len("".join(logprobs.tokens[:at])) for at in range(1, count)]
    for token, logprob, top in zip(logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, strict=True):
        assert len(top) == 3
        # lm-eval compares the floats, and calls an answer greedy where they are equal.
        assert top[token] == logprob == max(top.values())
        assert sum(map(math.exp, top.values())) <= 1 + 1e-5


def test_a_streamed_completion_has_the_same(server):
    whole = server.complete(logprobs=3).choices[0].logprobs
    streamed = [choice.logprobs for chunk in server.complete(logprobs=3, stream=True) for choice in chunk.choices]
    for name in ["tokens", "token_logprobs", "top_logprobs", "text_offset"]:
        parts = [getattr(logprobs, name) for logprobs in streamed if logprobs]
        assert [each for part in parts for each in part or []] == getattr(whole, name), name


def test_a_token_that_was_not_the_likeliest_is_listed_too(real):
    answer = real.complete("Once upon a time", logprobs=1, temperature=2, seed=3)
    logprobs = answer.choices[0].logprobs
    assert any(len(top) == 2 for top in logprobs.top_logprobs), "at this temperature some are unlikely"
    for token, logprob, top in zip(logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, strict=True):
        assert top[token] == logprob


def test_echo_gives_the_prompt_back(server):
    expected = server.prompt + server.complete().choices[0].text
    assert server.complete(echo=True).choices[0].text == expected
    chunks = server.complete(echo=True, stream=True)
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == expected


@pytest.mark.parametrize("as_tokens", [False, True], ids=["as text", "as tokens"])
def test_echo_with_logprobs_has_the_prompts_too(server, as_tokens):
    """The request that lm-eval sends."""
    tokens = server.tokenize(server.prompt)
    prompt = tokens if as_tokens else server.prompt
    (choice,) = server.complete(prompt, echo=True, logprobs=1, max_tokens=1, seed=1234).choices
    logprobs = choice.logprobs
    assert choice.text.startswith(server.prompt)
    assert "".join(logprobs.tokens) == choice.text
    parts = [logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, logprobs.text_offset]
    assert [len(part) for part in parts] == [len(tokens) + 1] * 4
    assert logprobs.token_logprobs[0] is None
    assert logprobs.top_logprobs[0] is None
    assert logprobs.text_offset == [len("".join(logprobs.tokens[:at])) for at in range(len(tokens) + 1)]
    for token, logprob, top in list(
        zip(logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, strict=True)
    )[1:]:
        assert top[token] == logprob <= 0


def test_the_end_is_listed_in_completions(scripted):
    """Else lm-eval would take the prompt's last token for the generated one."""
    (choice,) = scripted.complete("say ", echo=True, logprobs=1, max_tokens=1).choices
    assert choice.text == "say "
    assert choice.finish_reason == "stop"
    assert len(choice.logprobs.token_logprobs) == len("say ") + 1


def test_a_prompt_can_be_read_without_an_answer(server):
    answer = server.complete(echo=True, logprobs=1, max_tokens=0)
    (choice,) = answer.choices
    assert (choice.text, choice.finish_reason) == (server.prompt, "length")
    assert len(choice.logprobs.token_logprobs) == answer.usage.prompt_tokens
    assert answer.usage.completion_tokens == 0


def test_what_was_generated_has_the_same_probability_when_it_is_read(real):
    (written,) = real.complete(logprobs=0).choices
    (read,) = real.complete(real.prompt + written.text, echo=True, logprobs=0, max_tokens=0).choices
    count = len(written.logprobs.tokens)
    assert read.logprobs.tokens[-count:] == written.logprobs.tokens
    # Its kernels round activations to 8 bits, and not alike for one token and for many.
    assert read.logprobs.token_logprobs[-count:] == pytest.approx(written.logprobs.token_logprobs, abs=0.05)


def test_what_cannot_be_asked_for_in_completions(server):
    with pytest.raises(openai.BadRequestError) as caught:
        server.complete(logprobs=6)
    assert caught.value.param == "logprobs"
