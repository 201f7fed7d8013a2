"""Function tools: when they are called, how calls are written and streamed, and the way back of their results."""

import asyncio
import json
from collections import defaultdict

import openai
import pytest
from finance import BALANCE, CLOSE_YEAR, TOOLS, Balance

QUESTION = "What is the balance of account 512 in 2024?"
# One call, which ends by itself; the limit is only for one that never would.
ONE_CALL = {"tools": TOOLS, "parallel_tool_calls": False, "max_tokens": 512}
NAMED = {"type": "function", "function": {"name": "close_year"}}
CALL = '<tool_call>\n{"name": "balance", "arguments": {"account": "512", "year": 2024}}\n</tool_call>'
OTHER_CALL = '<tool_call>\n{"name": "close_year", "arguments": {"year": 2024}}\n</tool_call>'


def message(answer):
    (choice,) = answer.choices
    return choice.message


def function(answer):
    """The function of the one call, with arguments that fit it."""
    assert message(answer).content is None
    (call,) = message(answer).tool_calls
    assert call.type == "function"
    assert call.id
    return checked(call.function)


def checked(function):
    if function.name == "balance":
        Balance.model_validate_json(function.arguments)
    else:
        assert function.name == "close_year"
        assert list(json.loads(function.arguments)) == ["year"]
        assert json.loads(function.arguments)["year"] in [2023, 2024]
    return function


def test_a_call_can_be_required(server):
    answer = server.chat(QUESTION, tool_choice="required", **ONE_CALL)
    function(answer)
    assert answer.choices[0].finish_reason == "tool_calls"


def test_one_function_can_be_named(server):
    answer = server.chat(QUESTION, tool_choice=NAMED, **ONE_CALL)
    assert function(answer).name == "close_year"
    # OpenAI's server says `stop` here.
    assert answer.choices[0].finish_reason in ["stop", "tool_calls"]


def test_the_functions_allowed_can_be_fewer_than_those_described(server):
    tools = [{"type": "function", "function": {"name": "close_year"}}]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": tools}}
    assert function(server.chat(QUESTION, tool_choice=choice, **ONE_CALL)).name == "close_year"


def test_calls_can_be_forbidden(server):
    answer = server.chat(tools=TOOLS, tool_choice="none")
    assert message(answer).content
    assert message(answer).tool_calls is None


def test_the_model_may_choose_to_call(scripted):
    answer = scripted.chat(f"say {CALL}", tools=TOOLS, max_tokens=512)
    assert json.loads(function(answer).arguments) == {"account": "512", "year": 2024}
    assert answer.choices[0].finish_reason == "tool_calls"


def test_the_model_may_choose_not_to_call(scripted):
    for tool_choice in ["auto", "none"]:
        answer = scripted.chat("say Bonjour.", tools=TOOLS, tool_choice=tool_choice)
        assert message(answer).content == "Bonjour."
        assert message(answer).tool_calls is None
        assert answer.choices[0].finish_reason == "stop"


def test_text_may_come_before_a_call(scripted):
    answer = scripted.chat(f"say Je regarde.{CALL}", tools=TOOLS, max_tokens=512)
    assert message(answer).content == "Je regarde."
    (call,) = message(answer).tool_calls
    assert checked(call.function).name == "balance"


def test_several_calls_at_once(scripted):
    answer = scripted.chat(f"say {CALL}\n{OTHER_CALL}", tools=TOOLS, max_tokens=512)
    calls = message(answer).tool_calls
    assert [checked(call.function).name for call in calls] == ["balance", "close_year"]
    assert len({call.id for call in calls}) == 2


def test_several_calls_can_be_forbidden(scripted):
    answer = scripted.chat(f"say {CALL}\n{OTHER_CALL}", **ONE_CALL)
    assert function(answer).name == "balance"


def test_a_function_may_take_no_arguments(server):
    nothing = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    now = {"type": "function", "function": {"name": "now", "parameters": nothing, "strict": True}}
    answer = server.chat(QUESTION, tool_choice="required", **ONE_CALL | {"tools": [now]})
    (call,) = message(answer).tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("now", {})


def streamed(chunks):
    """The calls of a stream, put together from its deltas."""
    calls = defaultdict(list)
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        for delta in choice.delta.tool_calls or []:
            calls[delta.index].append(delta)
    assert list(calls) == list(range(len(calls))), "calls come one after another"
    for first, *others in calls.values():
        assert first.id
        assert (first.type, first.function.arguments) == ("function", "")
        assert others
        assert all((other.id, other.type, other.function.name) == (None, None, None) for other in others)
    return [
        (deltas[0].function.name, "".join(delta.function.arguments for delta in deltas)) for deltas in calls.values()
    ]


def test_a_streamed_call_is_the_same_as_a_whole_one(server):
    options = {"tool_choice": "required", "seed": 5, **ONE_CALL}
    whole = function(server.chat(QUESTION, **options))
    chunks = list(server.chat(QUESTION, stream=True, **options))
    assert streamed(chunks) == [(whole.name, whole.arguments)]
    assert not any(choice.delta.content for chunk in chunks for choice in chunk.choices)
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert reasons == [None] * (len(reasons) - 1) + ["tool_calls"]


def test_several_streamed_calls(scripted):
    chunks = list(scripted.chat(f"say Bien.{CALL}\n{OTHER_CALL}", tools=TOOLS, max_tokens=512, stream=True))
    calls = streamed(chunks)
    assert [name for name, _ in calls] == ["balance", "close_year"]
    assert [json.loads(arguments) for _, arguments in calls] == [{"account": "512", "year": 2024}, {"year": 2024}]
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Bien."
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    assert sum(bool(delta.tool_calls) for delta in deltas) > 10, "arguments come as they are written"


def test_parse_gives_the_arguments_as_a_model(server):
    tool_choice = {"type": "function", "function": {"name": "balance"}}
    answer = server.parse(QUESTION, tool_choice=tool_choice, **ONE_CALL | {"tools": [BALANCE]})
    (call,) = message(answer).tool_calls
    assert isinstance(call.function.parsed_arguments, Balance)


def test_the_events_of_the_clients_own_stream_helper(server):
    options = ONE_CALL | {"tools": [BALANCE], "tool_choice": "required"}
    with server.chat_stream(QUESTION, **options) as stream:
        events = list(stream)
        answer = stream.get_final_completion()
    deltas = [event for event in events if event.type == "tool_calls.function.arguments.delta"]
    (done,) = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    assert "".join(event.arguments_delta for event in deltas) == done.arguments
    assert (done.name, done.index) == ("balance", 0)
    assert isinstance(done.parsed_arguments, Balance)
    (call,) = message(answer).tool_calls
    assert call.function.parsed_arguments == done.parsed_arguments


def test_the_asynchronous_client(server):
    async def stream():
        async with server.asynchronous() as client:
            asked = server.asked(QUESTION, tool_choice="required", stream=True, **ONE_CALL)
            return [chunk async for chunk in await client.chat.completions.create(**asked)]

    ((name, arguments),) = streamed(asyncio.run(stream()))
    assert name in ["balance", "close_year"]
    assert json.loads(arguments)


def test_a_result_finds_its_way_back(server):
    first = server.chat(QUESTION, tool_choice="required", **ONE_CALL)
    (call,) = message(first).tool_calls
    messages = [
        {"role": "user", "content": QUESTION},
        message(first).to_dict(),
        {"role": "tool", "tool_call_id": call.id, "content": "1 234,56 EUR"},
        {"role": "user", "content": server.question},
    ]
    second = server.chat(messages=messages, tools=TOOLS, tool_choice="none")
    assert message(second).content
    without = server.chat(messages=[messages[0], messages[-1]], tools=TOOLS, tool_choice="none")
    assert second.usage.prompt_tokens > without.usage.prompt_tokens + 10, "the model reads call and result"


@pytest.mark.parametrize(
    "options, param",
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "unknown"}}}, "tool_choice"),
        ({"tools": [{"type": "custom", "custom": {"name": "free"}}]}, "tools[0].type"),
        ({"tools": [CLOSE_YEAR, {"type": "function", "function": {"name": "not a name"}}]}, "tools[1].function.name"),
    ],
    ids=["required of none", "unknown", "custom", "not a name"],
)
def test_what_cannot_be_called_is_named(server, options, param):
    with pytest.raises(openai.BadRequestError) as caught:
        server.chat(**options)
    assert caught.value.param.startswith(param)
