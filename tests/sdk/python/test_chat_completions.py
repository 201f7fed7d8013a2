"""`chat.completions.create`, whole and streamed."""

import asyncio

import pytest
import stops
from openai import AsyncOpenAI

COLOURS = [{"role": "user", "content": "Name the primary colours."}]
FRUITS = [{"role": "user", "content": "List three fruits."}]


@pytest.fixture
def ask(client, model):
    """Asks greedily, for a short answer, unless told otherwise."""

    def ask(**options):
        defaults = {"model": model.id, "messages": FRUITS, "temperature": 0, "max_tokens": 32}
        return client.chat.completions.create(**defaults | options)

    return ask


def text_of(answer):
    return answer.choices[0].message.content


def joined(chunks):
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_a_whole_answer(ask, model):
    answer = ask()
    assert answer.id.startswith("chatcmpl-")
    assert answer.object == "chat.completion"
    assert answer.model == model.id
    (choice,) = answer.choices
    assert choice.index == 0
    assert choice.message.role == "assistant"
    assert choice.message.content.strip()
    assert choice.message.refusal is None
    usage = answer.usage
    assert usage.prompt_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_an_answer_ends_by_itself(ask):
    answer = ask(messages=COLOURS, max_tokens=256)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens < 256
    assert "<|" not in text_of(answer), "control tokens are not text"


def test_a_stream_says_the_same_as_a_whole_answer(ask):
    assert joined(ask(stream=True, seed=1)) == text_of(ask(seed=1))


def test_the_shape_of_a_stream(ask):
    chunks = list(ask(stream=True))
    assert len(chunks) > 2, "one chunk is no stream"
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert len({chunk.created for chunk in chunks}) == 1
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert len(choices) == len(chunks)
    assert [choice.delta.role for choice in choices] == ["assistant"] + [None] * (len(choices) - 1)
    assert [choice.finish_reason for choice in choices] == [None] * (len(choices) - 1) + ["length"]


def test_usage_comes_last_where_it_is_asked_for(ask):
    chunks = list(ask(stream=True, stream_options={"include_usage": True}))
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage == ask().usage
    assert chunks[-2].choices[0].finish_reason == "length"


def test_the_clients_own_stream_helper(client, model, ask):
    with client.chat.completions.stream(model=model.id, messages=COLOURS, temperature=0, max_tokens=256) as stream:
        events = [event.type for event in stream]
        answer = stream.get_final_completion()
    assert events.count("content.delta") > 1
    assert text_of(answer) == text_of(ask(messages=COLOURS, max_tokens=256))


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_limit_of_tokens_is_exact(client, model, name):
    answer = client.chat.completions.create(model=model.id, messages=FRUITS, temperature=0, **{name: 5})
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 5


def test_a_stop_string_never_leaks(ask):
    for name, stop, left in stops.of(text_of(ask())):
        answer = ask(stop=stop)
        assert text_of(answer) == left, name
        assert answer.choices[0].finish_reason == "stop", name
        chunks = list(ask(stop=[stop], stream=True))
        assert joined(chunks) == left, name
        assert chunks[-1].choices[0].finish_reason == "stop", name


def test_of_two_stop_strings_the_first_that_is_met_ends_the_answer(ask):
    found = {name: (stop, left) for name, stop, left in stops.of(text_of(ask()))}
    late, early = found["its last character that is new"], found["a word"]
    assert len(early[1]) < len(late[1])
    assert text_of(ask(stop=["\u0001", late[0], early[0]])) == early[1]


def test_a_stop_string_that_is_almost_met_holds_nothing_back(ask):
    text = text_of(ask())
    stop = stops.almost_met(text)
    assert text_of(ask(stop=stop)) == text
    assert joined(ask(stop=stop, stream=True)) == text


def test_a_seed_makes_chance_repeatable(ask):
    answers = [text_of(ask(temperature=1, seed=seed)) for seed in [7, 7, 8, 9]]
    assert answers[0] == answers[1]
    assert len(set(answers)) > 1
    assert joined(ask(temperature=1, seed=7, stream=True)) == answers[0]


def test_content_may_come_in_parts(ask):
    def said(content):
        return text_of(ask(messages=[{"role": "user", "content": content}]))

    def parts(*texts):
        return [{"type": "text", "text": text} for text in texts]

    assert said(parts("List three fruits.")) == text_of(ask())
    assert said(parts("List three fruits.", "Be brief.")) == said("List three fruits.\nBe brief.")


def test_the_whole_conversation_counts(ask):
    turns = [
        {"role": "system", "content": "Answer briefly."},
        *COLOURS,
        {"role": "assistant", "content": "Red, blue and yellow."},
        *FRUITS,
    ]
    assert ask(messages=turns).usage.prompt_tokens > ask().usage.prompt_tokens


def test_an_answer_can_be_sent_back(ask):
    first = ask(messages=COLOURS)
    second = ask(messages=[*COLOURS, first.choices[0].message.to_dict(), *FRUITS])
    assert text_of(second).strip()


def test_fields_without_effect_are_accepted(ask):
    answer = ask(user="someone", metadata={"a": "b"}, store=False, service_tier="auto")
    assert text_of(answer) == text_of(ask())


def test_the_asynchronous_client(connection, model, ask):
    async def both():
        async with AsyncOpenAI(**connection) as client:
            options = {"model": model.id, "messages": FRUITS, "temperature": 0, "max_tokens": 32}
            whole = await client.chat.completions.create(**options)
            chunks = [chunk async for chunk in await client.chat.completions.create(**options, stream=True)]
            return text_of(whole), joined(chunks)

    assert asyncio.run(both()) == (text_of(ask()),) * 2
