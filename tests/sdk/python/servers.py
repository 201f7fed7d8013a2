"""A server under test, and the clients for it.

The clients are OpenAI's own, unchanged. They are strict: an answer that does not match their types is an error. They
never retry, so that no failure is hidden, and wait a minute at most, so that no answer is waited for in vain.
"""

from functools import cached_property

import httpx2
from openai import AsyncOpenAI, OpenAI


class Server:
    """A server that is running at `url`, and a question and a prompt that have it say a sentence of ASCII."""

    def __init__(self, url, question, prompt):
        self.url, self.question, self.prompt = url, question, prompt
        # No key is needed on loopback, but the client insists on one.
        self.connection = {
            "base_url": f"{url}/v1",
            "api_key": "none",
            "max_retries": 0,
            "timeout": 60,
            "_strict_response_validation": True,
        }
        self.client = OpenAI(**self.connection)
        # For what OpenAI's server sends and the client's types do not know: a `null` as the `finish_reason` of a chunk
        # of a completion, and as the log-probability of a prompt's first token.
        self.lenient = OpenAI(**self.connection | {"_strict_response_validation": False})
        # For what the client has no methods for.
        self.http = httpx2.Client(base_url=url, timeout=60)

    def close(self):
        for each in [self.client, self.lenient, self.http]:
            each.close()

    def asynchronous(self):
        """An asynchronous client, to be closed by whoever asks for it."""
        return AsyncOpenAI(**self.connection)

    @cached_property
    def model(self):
        """The name of the one model that is served."""
        (model,) = self.client.models.list().data
        return model.id

    def asked(self, question=None, **options):
        """The fields of a chat completion: greedy and short, unless told otherwise."""
        messages = [{"role": "user", "content": self.question if question is None else question}]
        return {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": 16} | options

    def chat(self, question=None, **options):
        return self.client.chat.completions.create(**self.asked(question, **options))

    def parse(self, question=None, **options):
        return self.client.chat.completions.parse(**self.asked(question, **options))

    def chat_stream(self, question=None, **options):
        """The client's helper for streams."""
        return self.client.chat.completions.stream(**self.asked(question, **options))

    def complete(self, prompt=None, **options):
        """A completion: greedy and short, unless told otherwise."""
        nulls = options.get("stream") or (options.get("echo") and "logprobs" in options)
        client = self.lenient if nulls else self.client
        prompt = self.prompt if prompt is None else prompt
        defaults = {"model": self.model, "prompt": prompt, "temperature": 0, "max_tokens": 16}
        return client.completions.create(**defaults | options)

    def responded(self, input=None, **options):
        """The fields of a response: greedy and short, unless told otherwise."""
        input = self.question if input is None else input
        return {"model": self.model, "input": input, "temperature": 0, "max_output_tokens": 16} | options

    def respond(self, input=None, **options):
        return self.client.responses.create(**self.responded(input, **options))

    def tokenize(self, text):
        answer = self.http.post("/tokenize", json={"prompt": text})
        answer.raise_for_status()
        return answer.json()["tokens"]
