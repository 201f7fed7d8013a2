"""Several answers to one request: `n`, `best_of`, several prompts."""

from collections import defaultdict
from statistics import mean

import openai
import pytest

CHANCE = {"temperature": 1, "seed": 7}
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}


def said(answer):
    return [choice.message.content for choice in answer.choices]


def texts(answer):
    return [choice.text for choice in answer.choices]


def numbered(answer):
    return [choice.index for choice in answer.choices]


def by_index(chunks):
    choices = defaultdict(list)
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        choices[choice.index].append(choice)
    return [choices[index] for index in range(len(choices))]


def test_several_choices(server):
    one, three = server.chat(), server.chat(n=3)
    assert numbered(three) == [0, 1, 2]
    assert said(three) == said(one) * 3, "greedy choices are alike"
    assert three.usage.prompt_tokens == one.usage.prompt_tokens, "the prompt is counted once"
    assert three.usage.completion_tokens == 3 * one.usage.completion_tokens
    assert three.usage.total_tokens == three.usage.prompt_tokens + three.usage.completion_tokens


def test_choices_differ_and_a_seed_repeats_them(real):
    first, second = real.chat(n=3, **CHANCE), real.chat(n=3, **CHANCE)
    assert said(first) == said(second)
    assert len(set(said(first))) > 1


def test_streamed_choices_are_told_apart_by_their_index(server):
    whole = server.chat(n=3, **CHANCE)
    *chunks, last = server.chat(n=3, **CHANCE, **WITH_USAGE)
    assert len({chunk.id for chunk in [*chunks, last]}) == 1
    assert last.choices == []
    assert last.usage == whole.usage
    streams = by_index(chunks)
    assert len(streams) == 3
    for choices, expected in zip(streams, whole.choices, strict=True):
        assert [choice.delta.role for choice in choices] == ["assistant"] + [None] * (len(choices) - 1)
        assert "".join(choice.delta.content or "" for choice in choices) == expected.message.content
        reasons = [choice.finish_reason for choice in choices]
        assert reasons == [None] * (len(choices) - 1) + [expected.finish_reason]


def test_the_clients_own_stream_helper_tells_them_apart(server):
    with server.chat_stream(n=2, **CHANCE) as stream:
        # Not `get_final_completion`, which takes an answer at its limit for an error.
        answer = stream.until_done().current_completion_snapshot
    assert numbered(answer) == [0, 1]
    assert said(answer) == said(server.chat(n=2, **CHANCE))


def test_several_prompts_are_answered_in_order(server):
    prompts = [server.prompt, server.prompt.replace(" ", " the ", 1), server.prompt]
    alone = [texts(server.complete(prompt)) for prompt in prompts]
    together = server.complete(prompts)
    assert numbered(together) == [0, 1, 2]
    assert [[text] for text in texts(together)] == alone
    usage = [server.complete(prompt).usage for prompt in prompts]
    assert together.usage.prompt_tokens == sum(each.prompt_tokens for each in usage)
    assert together.usage.completion_tokens == sum(each.completion_tokens for each in usage)


def test_choices_of_one_prompt_stand_together(scripted):
    answer = scripted.complete(["say one", "say two"], n=2)
    assert numbered(answer) == [0, 1, 2, 3]
    assert texts(answer) == ["one", "one", "two", "two"]
    streams = by_index(scripted.complete(["say one", "say two"], n=2, stream=True))
    assert ["".join(choice.text for choice in choices) for choices in streams] == ["one", "one", "two", "two"]


def test_a_prompt_may_be_tokens(server):
    tokens = server.tokenize(server.prompt)
    expected = texts(server.complete())
    assert texts(server.complete(tokens)) == expected
    assert texts(server.complete([tokens])) == expected
    assert texts(server.complete([tokens, tokens])) == expected * 2


def test_the_best_of_several_is_given(real):
    options = {"logprobs": 0, "max_tokens": 8, **CHANCE}

    def score(choice):
        return mean(choice.logprobs.token_logprobs)

    every = real.complete("Once upon a time", n=4, **options)
    best = real.complete("Once upon a time", best_of=4, **options)
    assert numbered(best) == [0]
    assert score(best.choices[0]) == pytest.approx(max(map(score, every.choices)))
    assert best.choices[0].text in texts(every)
    assert best.usage.completion_tokens == every.usage.completion_tokens, "all were generated"

    two = real.complete("Once upon a time", best_of=4, n=2, **options)
    assert numbered(two) == [0, 1]
    assert texts(two)[0] == texts(best)[0]
    assert score(two.choices[0]) >= score(two.choices[1])


@pytest.mark.parametrize(
    "options, param",
    [
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
        ({"best_of": 1, "n": 2}, "best_of"),
        ({"best_of": 17}, "best_of"),
        ({"best_of": 2, "stream": True}, "best_of"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["say a"] * 129}, "prompt"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value)[:40],
)
def test_how_many_is_bounded(scripted, options, param):
    with pytest.raises(openai.BadRequestError) as caught:
        scripted.complete(**options)
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", param)


@pytest.mark.parametrize("n", [0, 17])
def test_how_many_is_bounded_in_chat_too(scripted, n):
    with pytest.raises(openai.BadRequestError) as caught:
        scripted.chat(n=n)
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", "n")
