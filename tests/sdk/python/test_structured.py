"""Answers of a form that the client chose: JSON, of a schema, and the constraints that other servers have."""

import asyncio
import json
import re

import jiter
import openai
import pytest
from finance import QUESTION, Journal
from pydantic import BaseModel

# An answer of the schema ends by itself; this is only for one that never would.
ROOM = {"max_tokens": 1024}
SCHEMA = {
    "type": "object",
    "properties": {"audited": {"type": "boolean"}},
    "required": ["audited"],
    "additionalProperties": False,
}


def said(answer):
    return answer.choices[0].message.content


def is_of_schema(text):
    return list(json.loads(text)) == ["audited"] and isinstance(json.loads(text)["audited"], bool)


def json_schema(schema, **more):
    return {"type": "json_schema", "json_schema": {"name": "report", "schema": schema, **more}}


def test_parse_with_a_pydantic_model(server):
    answer = server.parse(QUESTION, response_format=Journal, **ROOM)
    (choice,) = answer.choices
    assert choice.finish_reason == "stop"
    assert isinstance(choice.message.parsed, Journal)
    assert choice.message.parsed == Journal.model_validate_json(choice.message.content)
    assert choice.message.refusal is None


def test_parse_several_choices(scripted):
    answer = scripted.parse(QUESTION, response_format=Journal, n=2, temperature=1, seed=7, **ROOM)
    assert all(isinstance(choice.message.parsed, Journal) for choice in answer.choices)
    assert len(answer.choices) == 2


def test_a_schema_without_bounds(scripted):
    class Note(BaseModel):
        title: str
        pages: int
        tags: list[str]

    answer = scripted.parse(QUESTION, response_format=Note, temperature=1, seed=1, max_tokens=3500)
    assert isinstance(answer.choices[0].message.parsed, Note)


def test_the_clients_own_stream_helper(server):
    with server.chat_stream(QUESTION, response_format=Journal, **ROOM) as stream:
        events = list(stream)
        answer = stream.get_final_completion()
    deltas = [event for event in events if event.type == "content.delta"]
    (done,) = [event for event in events if event.type == "content.done"]
    assert len(deltas) > 2
    assert "".join(event.delta for event in deltas) == done.content
    assert isinstance(done.parsed, Journal)
    assert answer.choices[0].message.parsed == done.parsed
    assert done.content == said(server.parse(QUESTION, response_format=Journal, **ROOM))


def test_the_asynchronous_client(server):
    async def parse():
        async with server.asynchronous() as client:
            asked = server.asked(QUESTION, response_format=Journal, **ROOM)
            return await client.chat.completions.parse(**asked)

    assert isinstance(asyncio.run(parse()).choices[0].message.parsed, Journal)


def test_an_answer_that_was_cut_is_no_answer(server):
    with pytest.raises(openai.LengthFinishReasonError):
        server.parse(QUESTION, response_format=Journal, max_tokens=3)


@pytest.mark.parametrize("strict", [True, False, None], ids=["strict", "not strict", "unsaid"])
def test_a_schema_is_kept_to(server, strict):
    answer = server.chat("Was it audited?", response_format=json_schema(SCHEMA, strict=strict), **ROOM)
    assert answer.choices[0].finish_reason == "stop"
    assert is_of_schema(said(answer))


def test_a_schema_may_leave_what_is_said_to_the_model(scripted):
    text = '{"audited": true}'
    assert said(scripted.chat(f"say {text}", response_format=json_schema(SCHEMA, strict=True), max_tokens=64)) == text
    assert said(scripted.chat(f"say {text}", response_format={"type": "json_object"}, max_tokens=64)) == text
    assert said(scripted.chat(f"say {text}", response_format={"type": "text"}, max_tokens=64)) == text


def test_a_json_object(server):
    options = {"response_format": {"type": "json_object"}, "temperature": 1, "seed": 1, "max_tokens": 64}
    answer = server.chat('Answer with {"total": 12}, in JSON.', **options)
    text = said(answer)
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(text), dict)
    else:
        # Cut at its limit; what there is of it is JSON.
        assert isinstance(jiter.from_json(text.encode(), partial_mode=True), dict)


def test_plain_text_is_asked_for_by_name(server):
    assert said(server.chat(response_format={"type": "text"})) == said(server.chat())


CONSTRAINTS = {
    "json": (SCHEMA, is_of_schema),
    "regex": ("[0-9]{4}-[0-9]{2}", re.compile("[0-9]{4}-[0-9]{2}").fullmatch),
    "choice": (["hausse", "baisse"], ["hausse", "baisse"].__contains__),
    "grammar": ('start: "actif" | "passif"', ["actif", "passif"].__contains__),
}


@pytest.mark.parametrize("kind", CONSTRAINTS)
@pytest.mark.parametrize("named", ["guided", "structured_outputs"])
def test_constraints_under_their_known_names(server, kind, named):
    constraint, holds = CONSTRAINTS[kind]
    body = {f"guided_{kind}": constraint} if named == "guided" else {"structured_outputs": {kind: constraint}}
    chat = server.chat(QUESTION, extra_body=body, **ROOM)
    assert holds(said(chat)), said(chat)
    assert chat.choices[0].finish_reason == "stop"
    completion = server.complete(QUESTION, extra_body=body, **ROOM)
    assert holds(completion.choices[0].text), completion.choices[0].text
    chunks = list(server.chat(QUESTION, extra_body=body, stream=True, **ROOM))
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == said(chat)


def tool_with(parameters):
    return {"type": "function", "function": {"name": "f", "parameters": parameters, "strict": True}}


@pytest.mark.parametrize(
    "options, param",
    [
        (
            {"response_format": json_schema({"type": "nonsense"}, strict=True)},
            "response_format.json_schema.schema",
        ),
        ({"extra_body": {"guided_json": {"type": "nonsense"}}}, "guided_json"),
        ({"extra_body": {"guided_regex": "("}}, "guided_regex"),
        ({"extra_body": {"guided_choice": []}}, "guided_choice"),
        ({"extra_body": {"guided_grammar": "start: nowhere"}}, "guided_grammar"),
        ({"extra_body": {"structured_outputs": {"regex": "("}}}, "structured_outputs.regex"),
        ({"tools": [tool_with({"type": "nonsense"})]}, "tools[0].function.parameters"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_compiled_is_named(server, options, param):
    with pytest.raises(openai.BadRequestError) as caught:
        server.chat(**options)
    error = caught.value
    assert (error.type, error.code, error.param) == ("invalid_request_error", "invalid_value", param)
    # It is an error of that request alone.
    assert is_of_schema(said(server.chat(QUESTION, response_format=json_schema(SCHEMA, strict=True), **ROOM)))
