"""The same seed and the same input give the same answer, alone or among others."""

import asyncio

WORDS = {"extra_body": {"guided_regex": "[a-z]{40}"}, "max_tokens": 64}
CHANCE = {"temperature": 1}


async def answers(server, requests):
    async with server.asynchronous() as client:
        return await asyncio.gather(*(client.chat.completions.create(**request) for request in requests))


def said(answer):
    return answer.choices[0].message.content


def test_an_answer_does_not_depend_on_what_else_runs(scripted):
    """This server works on several requests at once."""
    seven = scripted.asked("Write something.", seed=7, **CHANCE, **WORDS)
    others = [scripted.asked("Write something.", seed=seed, **CHANCE, **WORDS) for seed in range(10, 20)]
    alone = said(scripted.client.chat.completions.create(**seven))
    together = [said(answer) for answer in asyncio.run(answers(scripted, [*others[:5], seven, *others[5:], seven]))]
    assert together[5] == together[-1] == alone
    assert len(set(together)) == 11, "each seed has an answer of its own"


def test_a_real_model_repeats_itself(real):
    seven = real.asked(seed=7, **CHANCE)
    others = [real.asked("Name a colour.", seed=seed, **CHANCE) for seed in [8, 9]]
    alone = said(real.client.chat.completions.create(**seven))
    together = asyncio.run(answers(real, [others[0], seven, others[1]]))
    assert said(together[1]) == alone


def test_all_ways_to_ask_give_the_same(real):
    """Streamed, as one of several choices, or through the other endpoint."""
    options = {"seed": 7, **CHANCE}
    expected = said(real.chat(**options))
    chunks = real.chat(stream=True, **options)
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == expected
    assert said(real.chat(n=2, **options)) == expected, "the first choice is that of the seed"


def test_a_seed_may_be_any_whole_number(server):
    for seed in [0, -1, 2**63 - 1, -(2**63)]:
        assert said(server.chat(seed=seed, **CHANCE)) == said(server.chat(seed=seed, **CHANCE))


def test_without_a_seed_each_answer_is_new(real):
    assert len({said(real.chat(**CHANCE)) for _ in range(4)}) > 1


def test_the_fingerprint_tells_models_apart(real, scripted):
    prints = []
    for server in [real, scripted]:
        first, second = server.chat(), server.chat("Hello.", **CHANCE)
        assert first.system_fingerprint == second.system_fingerprint == server.complete().system_fingerprint
        assert {chunk.system_fingerprint for chunk in server.chat(stream=True)} == {first.system_fingerprint}
        prints.append(first.system_fingerprint)
    assert all(prints)
    assert prints[0] != prints[1]
