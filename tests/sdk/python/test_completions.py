"""`completions.create`, whole and streamed."""

import pytest
import stops


@pytest.fixture
def complete(lenient_client, client, model):
    """Continues a text greedily, and shortly, unless told otherwise."""

    def complete(prompt="The capital of France is", **options):
        defaults = {"model": model.id, "prompt": prompt, "temperature": 0, "max_tokens": 16}
        strict_or_not = lenient_client if options.get("stream") else client
        return strict_or_not.completions.create(**defaults | options)

    return complete


def text_of(answer):
    return answer.choices[0].text


def joined(chunks):
    return "".join(choice.text for chunk in chunks for choice in chunk.choices)


def test_a_whole_answer(complete, model):
    answer = complete()
    assert answer.id.startswith("cmpl-")
    assert answer.object == "text_completion"
    assert answer.model == model.id
    assert answer.choices[0].index == 0
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_the_leading_space_is_kept(complete):
    assert text_of(complete()).startswith(" Paris")
    pieces = [chunk.choices[0].text for chunk in complete(stream=True)]
    assert next(piece for piece in pieces if piece).startswith(" ")


def test_a_stream_says_the_same_as_a_whole_answer(complete):
    assert joined(complete(stream=True)) == text_of(complete())


def test_the_shape_of_a_stream(complete):
    chunks = list(complete(stream=True))
    assert len(chunks) > 2, "one chunk is no stream"
    assert {chunk.object for chunk in chunks} == {"text_completion"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert reasons == [None] * (len(chunks) - 1) + ["length"]


def test_usage_comes_last_where_it_is_asked_for(complete):
    chunks = list(complete(stream=True, stream_options={"include_usage": True}))
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage == complete().usage


def test_the_limit_of_tokens_is_exact(complete, client, model):
    answer = complete(max_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 5
    by_default = client.completions.create(model=model.id, prompt="Once upon a time", temperature=0)
    assert by_default.usage.completion_tokens == 16


def test_a_stop_string_never_leaks(complete):
    for name, stop, left in stops.of(text_of(complete("Once upon a time"))):
        answer = complete("Once upon a time", stop=stop)
        assert text_of(answer) == left, name
        assert answer.choices[0].finish_reason == "stop", name
        assert joined(complete("Once upon a time", stop=stop, stream=True)) == left, name


def test_a_stop_string_that_is_almost_met_holds_nothing_back(complete):
    text = text_of(complete())
    stop = stops.almost_met(text)
    assert text_of(complete(stop=stop)) == text
    assert joined(complete(stop=stop, stream=True)) == text


def test_a_seed_makes_chance_repeatable(complete):
    answers = [text_of(complete("Once upon a time", temperature=1, seed=seed)) for seed in [7, 7, 8, 9]]
    assert answers[0] == answers[1]
    assert len(set(answers)) > 1


# Each of these characters is several tokens of the model, and the model goes on with the pattern.
@pytest.mark.parametrize("pattern, tokens", [("🎉", 3), ("🚀", 3), ("日本語", 6)])
def test_a_character_is_never_cut(complete, pattern, tokens):
    prompt = pattern * 8
    chunks = list(complete(prompt, stream=True, max_tokens=4 * tokens))
    text = joined(chunks)
    assert pattern in text, "the model was to go on with the pattern"
    assert not any("\ufffd" in choice.text for chunk in chunks for choice in chunk.choices)
    assert text == text_of(complete(prompt, max_tokens=4 * tokens))


def test_accents_come_out_whole(complete):
    prompt = "Les élèves étaient à l'école. Les élèves étaient à"
    text = text_of(complete(prompt))
    assert "é" in text
    assert "\ufffd" not in text
    assert joined(complete(prompt, stream=True)) == text
