"""`responses`: the endpoint that OpenAI's clients use by default today, without storage."""

import asyncio
import json

import openai
import pytest
from finance import CLOSE_YEAR, QUESTION, Balance, Journal

BALANCE = openai.pydantic_responses_function_tool(Balance, name="balance")
TOOLS = [BALANCE, {"type": "function", **CLOSE_YEAR["function"], "strict": True}]
ROOM = {"max_output_tokens": 1024}
ONE_CALL = {"tools": TOOLS, "parallel_tool_calls": False, "tool_choice": "required", **ROOM}
WITH_LOGPROBS = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}


def call_of(response):
    (call,) = response.output
    assert call.type == "function_call"
    return call


def test_a_whole_response(scripted):
    response = scripted.respond("say Bonjour", metadata={"dossier": "42"}, max_output_tokens=64)
    assert response.id.startswith("resp_")
    assert (response.object, response.status) == ("response", "completed")
    assert response.model == scripted.model
    assert response.output_text == "Bonjour"
    (message,) = response.output
    assert (message.type, message.role, message.status) == ("message", "assistant", "completed")
    assert message.id.startswith("msg_")
    assert [part.type for part in message.content] == ["output_text"]
    assert message.content[0].annotations == []
    usage = response.usage
    assert usage.input_tokens > len("say Bonjour")
    assert usage.output_tokens >= len("Bonjour")
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.input_tokens_details.cached_tokens == usage.output_tokens_details.reasoning_tokens == 0


def test_a_response_says_how_it_was_asked_for(server):
    response = server.respond(instructions="Be brief.", metadata={"dossier": "42"}, top_p=0.5)
    assert response.instructions == "Be brief."
    assert response.metadata == {"dossier": "42"}
    assert (response.temperature, response.top_p, response.max_output_tokens) == (0, 0.5, 16)
    assert (response.tools, response.tool_choice, response.parallel_tool_calls) == ([], "auto", True)
    assert response.text.format.type == "text"
    assert response.truncation == "disabled"
    assert response.error is response.previous_response_id is None
    assert response.background is False


def test_a_response_says_the_same_as_chat(server):
    answer = server.chat()
    assert server.respond().output_text == answer.choices[0].message.content
    assert server.respond().usage.input_tokens == answer.usage.prompt_tokens


def test_instructions_are_read(server):
    longer = server.respond(instructions="You are an accountant. Answer in one word.")
    messages = [
        {"role": "developer", "content": "You are an accountant. Answer in one word."},
        {"role": "user", "content": server.question},
    ]
    assert longer.usage.input_tokens == server.respond(messages).usage.input_tokens
    assert longer.usage.input_tokens != server.respond().usage.input_tokens


def test_a_response_that_was_cut_is_incomplete(server):
    response = server.respond()
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage.output_tokens == 16
    assert response.output[0].status == "incomplete"
    assert response.completed_at is None


def test_input_may_be_items(server):
    easy = [{"role": "user", "content": server.question}]
    typed = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": server.question}]}]
    assert server.respond(easy).output_text == server.respond(typed).output_text == server.respond().output_text


def test_output_can_be_sent_back_as_input(server):
    first = server.respond()
    items = [
        {"role": "user", "content": server.question},
        *first.output,
        {"role": "user", "content": server.question},
    ]
    second = server.respond(items)
    assert second.output_text
    assert second.usage.input_tokens > first.usage.input_tokens + first.usage.output_tokens


def kinds(events):
    """The types of a stream's events, each once where it is repeated."""
    names = [event.type for event in events]
    return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]


BEGUN = ["response.created", "response.in_progress", "response.output_item.added"]
TEXT = [
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
]
CALL = [
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
]


@pytest.mark.parametrize("limit, last", [(1024, "response.completed"), (16, "response.incomplete")])
def test_the_events_of_a_stream(scripted, limit, last):
    options = {"max_output_tokens": limit, "instructions": "Be brief."}
    whole = scripted.respond(**options)
    events = list(scripted.respond(stream=True, **options))
    assert kinds(events) == [*BEGUN, *TEXT, last]
    assert [event.sequence_number for event in events] == list(range(len(events)))

    created, in_progress, added = events[:3]
    assert (created.response.status, created.response.output) == ("in_progress", [])
    assert in_progress.response.id == created.response.id
    assert (added.output_index, added.item.type, added.item.status) == (0, "message", "in_progress")
    assert added.item.content == []
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    (done,) = [event for event in events if event.type == "response.output_text.done"]
    assert len(deltas) > 2
    assert "".join(event.delta for event in deltas) == done.text == whole.output_text
    inside = events[3:-2]
    assert {(event.item_id, event.output_index, event.content_index) for event in inside} == {(added.item.id, 0, 0)}
    item, final = events[-2].item, events[-1].response
    assert item == final.output[0]
    assert final.id == created.response.id
    assert (final.status, final.output_text, final.usage) == (whole.status, whole.output_text, whole.usage)
    assert final.instructions == "Be brief."


def test_a_stream_of_a_real_model(real):
    events = list(real.respond(stream=True))
    assert kinds(events) == [*BEGUN, *TEXT, "response.incomplete"]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == real.respond().output_text


def test_each_event_has_its_name_on_the_wire(scripted):
    body = {"model": scripted.model, "input": "say Bonjour", "stream": True}
    with scripted.http.stream("POST", "/v1/responses", json=body) as answer:
        lines = [line for line in answer.iter_lines() if line and not line.startswith(":")]
    assert len(lines) % 2 == 0
    for name, data in zip(lines[::2], lines[1::2], strict=True):
        assert name.startswith("event: ")
        assert json.loads(data.removeprefix("data: "))["type"] == name.removeprefix("event: ")
    assert lines[-2] == "event: response.completed"
    assert not any("[DONE]" in line for line in lines)


def test_the_clients_own_stream_helper(scripted):
    with scripted.client.responses.stream(**scripted.responded("say Bonjour", **ROOM)) as stream:
        events = list(stream)
        response = stream.get_final_response()
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert deltas[-1].snapshot == response.output_text == "Bonjour"


def test_a_function_is_called(server):
    response = server.respond(QUESTION, **ONE_CALL)
    call = call_of(response)
    assert response.status == call.status == "completed"
    assert call.id.startswith("fc_")
    assert call.call_id
    assert call.name in ["balance", "close_year"]
    assert json.loads(call.arguments)
    assert [tool.name for tool in response.tools] == ["balance", "close_year"]
    assert response.tool_choice == "required"


@pytest.mark.parametrize("kind", ["function", "allowed_tools"])
def test_one_function_can_be_named(server, kind):
    named = {"type": "function", "name": "close_year"}
    choice = named if kind == "function" else {"type": kind, "mode": "required", "tools": [named]}
    response = server.respond(QUESTION, **ONE_CALL | {"tool_choice": choice})
    assert call_of(response).name == "close_year"
    assert response.tool_choice.type == kind


def test_calls_can_be_forbidden(server):
    response = server.respond(tools=TOOLS, tool_choice="none")
    assert response.output_text
    assert [item.type for item in response.output] == ["message"]


def test_the_events_of_a_streamed_call(server):
    events = list(server.respond(QUESTION, stream=True, **ONE_CALL))
    assert kinds(events) == [*BEGUN, *CALL, "response.completed"]
    added = events[2].item
    assert (added.type, added.arguments, added.status) == ("function_call", "", "in_progress")
    deltas = [event for event in events if event.type == "response.function_call_arguments.delta"]
    (done,) = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert {event.item_id for event in [*deltas, done]} == {added.id}
    assert "".join(event.delta for event in deltas) == done.arguments
    item = events[-2].item
    assert (item.id, item.call_id, item.name, item.arguments) == (added.id, added.call_id, added.name, done.arguments)
    assert events[-1].response.output == [item]


def test_text_and_calls_are_items_of_their_own(scripted):
    text = '<tool_call>\n{"name": "close_year", "arguments": {"year": 2024}}\n</tool_call>'
    events = list(scripted.respond(f"say Je regarde.{text}", tools=TOOLS, stream=True, **ROOM))
    added = [(event.output_index, event.item.type) for event in events if event.type == BEGUN[-1]]
    assert added == [(0, "message"), (1, "function_call")]
    message, call = events[-1].response.output
    assert message.content[0].text == "Je regarde."
    assert json.loads(call.arguments) == {"year": 2024}


def test_parse_gives_the_arguments_as_a_model(server):
    asked = server.responded(QUESTION, **ONE_CALL | {"tools": [BALANCE]})
    assert isinstance(call_of(server.client.responses.parse(**asked)).parsed_arguments, Balance)


def test_a_result_finds_its_way_back(server):
    first = server.respond(QUESTION, **ONE_CALL)
    call = call_of(first)
    items = [
        {"role": "user", "content": QUESTION},
        call,
        {"type": "function_call_output", "call_id": call.call_id, "output": "1 234,56 EUR"},
        {"role": "user", "content": server.question},
    ]
    second = server.respond(items, tools=TOOLS, tool_choice="none")
    assert second.output_text
    without = server.respond([items[0], items[-1]], tools=TOOLS, tool_choice="none")
    assert second.usage.input_tokens > without.usage.input_tokens + 10


def test_parse_with_a_pydantic_model(server):
    response = server.client.responses.parse(**server.responded(QUESTION, text_format=Journal, **ROOM))
    assert isinstance(response.output_parsed, Journal)
    assert response.text.format.type == "json_schema"
    assert response.text.format.name == "Journal"


def test_parse_of_a_stream(server):
    asked = server.responded(QUESTION, text_format=Journal, **ROOM)
    with server.client.responses.stream(**asked) as stream:
        response = stream.get_final_response()
    assert isinstance(response.output_parsed, Journal)


def test_a_json_object(scripted):
    text = {"format": {"type": "json_object"}}
    assert scripted.respond('say {"total": 12}', text=text, max_output_tokens=64).output_text == '{"total": 12}'


def test_log_probabilities(server):
    response = server.respond(**WITH_LOGPROBS)
    (part,) = response.output[0].content
    assert len(part.logprobs) == 16
    assert b"".join(bytes(entry.bytes) for entry in part.logprobs) == part.text.encode()
    assert all(len(entry.top_logprobs) == 2 for entry in part.logprobs)
    assert all(entry.top_logprobs[0].logprob == entry.logprob <= 0 for entry in part.logprobs)
    assert response.top_logprobs == 2
    events = server.respond(stream=True, **WITH_LOGPROBS)
    streamed = [entry for event in events if event.type == "response.output_text.delta" for entry in event.logprobs]
    expected = [(entry.token, entry.logprob) for entry in part.logprobs]
    assert [(entry.token, entry.logprob) for entry in streamed] == expected


def test_the_asynchronous_client(server):
    async def both():
        async with server.asynchronous() as client:
            whole = await client.responses.create(**server.responded())
            events = [event async for event in await client.responses.create(**server.responded(stream=True))]
            parsed = await client.responses.parse(**server.responded(QUESTION, text_format=Journal, **ROOM))
            return whole, events, parsed

    whole, events, parsed = asyncio.run(both())
    assert events[-1].response.output_text == whole.output_text
    assert isinstance(parsed.output_parsed, Journal)


def test_a_failure_ends_a_stream_by_name(scripted):
    events = list(scripted.respond("fail", stream=True))
    assert events[-1].type == "response.failed"
    response = events[-1].response
    assert (response.status, response.error.code) == ("failed", "server_error")
    assert [event.delta for event in events if event.type == "response.output_text.delta"]


def test_a_failure_is_an_error(scripted):
    with pytest.raises(openai.InternalServerError):
        scripted.respond("fail")


@pytest.mark.parametrize(
    "options, param",
    [
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"truncation": "auto"}, "truncation"),
        ({"reasoning": {"effort": "high"}}, "reasoning"),
        ({"max_tool_calls": 2}, "max_tool_calls"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:,", "detail": "low"}]}]},
            "input[0].content[0]",
        ),
        ({"text": {"verbosity": "high"}}, "text.verbosity"),
        (
            {"text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "nonsense"}}}},
            "text.format.schema",
        ),
        ({"temperature": 3}, "temperature"),
        ({"extra_body": {"tempreature": 1}}, "tempreature"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_is_refused_by_name(server, options, param):
    with pytest.raises(openai.BadRequestError) as caught:
        server.respond(**options)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param.startswith(param)


def test_what_has_no_effect_is_accepted(server):
    harmless = {
        "user": "someone",
        "safety_identifier": "someone",
        "service_tier": "auto",
        "prompt_cache_key": "key",
        "reasoning": {"effort": "none"},
        "truncation": "disabled",
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "store": False,
    }
    assert server.respond(**harmless).output_text == server.respond().output_text
