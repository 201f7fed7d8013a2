"""LangChain's client for OpenAI, unchanged, against the scripted server at ZYRON_SCRIPTED_URL: streams with tools."""

import asyncio
import functools
import json
import operator
import os
from typing import Literal

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field

CALL = '<tool_call>\n{"name": "balance", "arguments": {"account": "512", "year": 2024}}\n</tool_call>'
QUESTION = "What is the balance of account 512 in 2024?"


@tool
def balance(account: Literal["401", "512", "607"], year: int) -> str:
    """Looks up the balance of an account."""
    return f"{account} {year} 12 EUR"


class Entry(BaseModel):
    """A line of a French journal."""

    account: Literal["401", "512", "607"]
    amount: int = Field(ge=0, le=9999)


def model_for(**options):
    url = os.environ.get("ZYRON_SCRIPTED_URL")
    if not url:
        raise pytest.UsageError("ZYRON_SCRIPTED_URL is not set; `cargo xtask test` starts a server and sets it")
    settings = {"model": "scripted", "base_url": f"{url}/v1", "api_key": "none", "timeout": 60, "max_retries": 0}
    return ChatOpenAI(**settings | {"temperature": 0, "max_tokens": 512, "stream_usage": True} | options)


@pytest.fixture(params=[False, True], ids=["chat completions", "responses"])
def model(request):
    return model_for(use_responses_api=request.param)


def joined(chunks):
    return functools.reduce(operator.add, chunks)


def test_a_stream_of_text(model):
    chunks = list(model.stream([SystemMessage("Be brief."), HumanMessage("say Bonjour à tous")]))
    assert len(chunks) > 3
    answer = joined(chunks)
    assert answer.text == "Bonjour à tous"
    assert answer.usage_metadata["output_tokens"] >= len("Bonjour à tous".encode())


def test_a_stream_with_a_call(model):
    answer = joined(model.bind_tools([balance]).stream(f"say Je regarde.{CALL}"))
    assert answer.text == "Je regarde."
    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("balance", {"account": "512", "year": 2024})
    assert answer.invalid_tool_calls == []


def test_a_call_can_be_required(model):
    bound = model.bind_tools([balance], tool_choice="balance", parallel_tool_calls=False, strict=True)
    chunks = list(bound.stream(QUESTION, seed=1) if not model.use_responses_api else bound.stream(QUESTION))
    answer = joined(chunks)
    (call,) = answer.tool_calls
    assert call["name"] == "balance"
    assert balance.invoke(call["args"]).endswith("12 EUR")
    pieces = [piece["args"] for chunk in chunks for piece in chunk.tool_call_chunks]
    assert json.loads("".join(piece or "" for piece in pieces)) == call["args"]


def test_the_whole_way_of_a_tool(model):
    bound = model.bind_tools([balance])
    messages = [HumanMessage(f"say {CALL}\n{CALL}")]
    answer = bound.invoke(messages)
    assert isinstance(answer, AIMessage)
    assert len(answer.tool_calls) == 2
    results = [balance.invoke(call) for call in answer.tool_calls]
    assert all(isinstance(result, ToolMessage) for result in results)
    messages += [answer, *results, HumanMessage("say Il reste 12 EUR.")]
    assert bound.invoke(messages).text == "Il reste 12 EUR."


def test_structured_output(model):
    answer = model.with_structured_output(Entry, method="json_schema", strict=True).invoke("Record a purchase.")
    assert isinstance(answer, Entry)


@pytest.mark.parametrize("method", ["function_calling", "json_mode"])
def test_structured_output_by_other_means(method):
    words = {"function_calling": "Record a purchase.", "json_mode": 'say {"account": "512", "amount": 100}'}
    answer = model_for().with_structured_output(Entry, method=method).invoke(words[method])
    assert isinstance(answer, Entry)


# One for all: LangChain keeps its asynchronous connections from one model to the next.
LOOP = asyncio.new_event_loop()


def test_asynchronously(model):
    async def stream():
        return [chunk async for chunk in model.bind_tools([balance]).astream(f"say {CALL}")]

    (call,) = joined(LOOP.run_until_complete(stream())).tool_calls
    assert call["args"] == {"account": "512", "year": 2024}
