"""A server that is full says so before it says anything else, and the client's own retry does the rest."""

import asyncio

import openai
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpx2Client

STALLED = [{"role": "user", "content": "stall"}]


class Full:
    """The busy server, its one place taken by a request that would never end, and what other requests are told."""

    def __init__(self, busy):
        self.busy = busy
        self.answers = []
        self.refused = asyncio.Event()

    async def __aenter__(self):
        hooks = {"response": [self._note]}
        options = self.busy.connection | {"max_retries": 2}
        self.holding = self.busy.asynchronous()
        self.client = AsyncOpenAI(**options, http_client=DefaultAsyncHttpx2Client(event_hooks=hooks))
        self.stalled = self._stall()
        hurried = self.client.with_options(max_retries=0)
        # It is full once it refuses another.
        while not self.refused.is_set():
            try:
                await hurried.chat.completions.create(**self.busy.asked())
            except openai.RateLimitError:
                assert self.refused.is_set()
            # It came second, and was itself refused.
            if self.stalled.done():
                self.stalled = self._stall()
        self.refused.clear()
        self.answers.clear()
        return self

    def _stall(self):
        stalled = self.busy.asked(messages=STALLED, stream=True)
        return asyncio.create_task(self.holding.chat.completions.create(**stalled))

    async def __aexit__(self, *_):
        await self.free()
        await self.client.close()
        await self.holding.close()

    async def free(self):
        """The one that stalls goes away."""
        self.stalled.cancel()
        await asyncio.gather(self.stalled, return_exceptions=True)

    async def _note(self, response):
        self.answers.append(response)
        if response.status_code == 429:
            self.refused.set()

    def statuses(self):
        return [answer.status_code for answer in self.answers]


def test_a_request_is_tried_again_until_there_is_room(busy):
    async def scenario():
        async with Full(busy) as full:
            asked = asyncio.create_task(full.client.chat.completions.create(**busy.asked()))
            await full.refused.wait()
            await full.free()
            return await asked, full.statuses()

    answer, statuses = asyncio.run(scenario())
    assert answer.choices[0].message.content == "Hello."
    assert statuses == [429, 200]


def test_a_stream_is_tried_again_too(busy):
    async def scenario():
        async with Full(busy) as full:
            asked = asyncio.create_task(full.client.chat.completions.create(**busy.asked(stream=True)))
            await full.refused.wait()
            await full.free()
            chunks = [chunk async for chunk in await asked]
            return chunks, full.statuses()

    chunks, statuses = asyncio.run(scenario())
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == "Hello."
    assert statuses == [429, 200]


def test_what_stays_full_is_an_error_in_the_end(busy):
    async def scenario():
        async with Full(busy) as full:
            with pytest.raises(openai.RateLimitError) as caught:
                await full.client.chat.completions.create(**busy.asked())
            return caught.value, full.answers

    error, answers = asyncio.run(scenario())
    assert [answer.status_code for answer in answers] == [429] * 3
    assert error.request_id
    assert error.message
    for answer in answers:
        milliseconds = int(answer.headers["retry-after-ms"])
        assert 0 < milliseconds < 10_000
        # Whole seconds, never fewer than the milliseconds.
        assert milliseconds <= 1000 * int(answer.headers["retry-after"]) < milliseconds + 1000
        assert answer.headers["content-type"].startswith("application/json"), "no stream was begun"
