"""Clients that leave, clients that come together, and the id by which a request is found in the log."""

import asyncio

from openai import AsyncOpenAI

HELLO = [{"role": "user", "content": "Hello."}]
# The two tokens that end an answer of this model. Without them it goes on until its limit.
ENDLESS = {"logit_bias": {"0": -100, "2": -100}}


def test_a_client_that_leaves_makes_room_at_once(client, model):
    stream = client.chat.completions.create(model=model.id, messages=HELLO, max_tokens=4000, stream=True, **ENDLESS)
    next(iter(stream))
    stream.close()
    # The abandoned answer would take longer than this.
    hurried = client.with_options(timeout=15)
    answer = hurried.chat.completions.create(model=model.id, messages=HELLO, max_tokens=2)
    assert answer.usage.completion_tokens == 2


def test_two_clients_are_both_answered(connection, model):
    async def together():
        async with AsyncOpenAI(**connection) as client:
            options = {"model": model.id, "messages": HELLO, "max_tokens": 8, "temperature": 0}
            return await asyncio.gather(*(client.chat.completions.create(**options) for _ in range(2)))

    first, second = asyncio.run(together())
    assert first.choices[0].message.content == second.choices[0].message.content
    assert first.id != second.id


def test_every_answer_has_a_request_id(client, model):
    responses = [
        client.chat.completions.with_raw_response.create(model=model.id, messages=HELLO, max_tokens=1) for _ in range(2)
    ]
    ids = [response.headers["x-request-id"] for response in responses]
    assert all(ids)
    assert ids[0] != ids[1]
    assert responses[0].parse()._request_id == ids[0]
