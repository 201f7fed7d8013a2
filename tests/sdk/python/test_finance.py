"""Company accounts through OpenAI's client: the examples of docs/finance.md as they stand, and what they show."""

import re
from pathlib import Path

import pytest
from openai import Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

DOCUMENT = Path(__file__).parents[3] / "docs/finance.md"
BALANCE = (Path(__file__).parents[2] / "balance.csv").read_text()


@pytest.fixture(scope="module")
def statement(scripted):
    """Read from a form."""
    files = {"file": ("balance.csv", BALANCE.encode())}
    answer = scripted.http.post("/v1/finance/statements", files=files, data={"end": "2024-12-31"})
    assert answer.status_code == 200, answer.text
    return answer.json()["statement"]


def test_the_examples_run(real, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{real.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    Path("balance.csv").write_text(BALANCE)
    examples = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    assert len(examples) == 3
    names = {}
    exec("\n".join(examples), names)
    names["client"].close()
    printed = capsys.readouterr().out
    assert "Excédent brut d’exploitation 2024" in printed
    assert names["text"]
    assert names["message"].content or names["message"].zyron_tool_calls


def analyse(server, words, **options):
    body = {"model": server.model, "question": words, "temperature": 0} | options
    stream = {"stream": True, "stream_cls": Stream[ChatCompletionChunk]} if options.get("stream") else {}
    return server.client.post("/finance/analyses", body=body, cast_to=ChatCompletion, **stream)


def test_numbers_are_traced(scripted, statement):
    words = "Que dire ?\nsay L’EBE est de 37,9 k€, soit 12 %. La marge est de 110 900 €."
    message = analyse(scripted, words, statement=statement).choices[0].message
    # The scripted model is told what to say by the question, whose numbers are given.
    kinds = [number["verdict"]["kind"] for number in message.zyron_numbers]
    assert kinds == ["source", "given", "source"]
    spans = [message.content[number["start"] : number["end"]] for number in message.zyron_numbers]
    assert spans == ["37,9 k€", "12 %", "110 900 €"]


def test_the_client_s_helper_for_streams_collects_the_extensions(scripted, statement):
    call = '<tool_call>\n{"name": "lire_poste", "arguments": {"poste": "EBE"}}\n</tool_call>'
    words = f"say Je lis.{call}\n---\nIl est de 37 900 €. La marge est de 110 900 €."
    options = {"extra_body": {"zyron_tools": ["finance"], "zyron_statement": statement}, "max_tokens": 400}
    with scripted.chat_stream(words, **options) as stream:
        streamed = stream.get_final_completion()
    whole = scripted.chat(words, **options)
    (one,), (other,) = streamed.choices, whole.choices
    assert one.message.content == other.message.content == "Je lis.\n\nIl est de 37 900 €. La marge est de 110 900 €."
    assert one.message.zyron_numbers == other.message.zyron_numbers
    assert len(one.message.zyron_numbers) == 2
    (ran,) = other.message.zyron_tool_calls
    assert ran["function"]["name"] == "lire_poste"
    assert ran["result"]["valeur"] == "37\u202f900\u00a0€"
    assert [call["result"] for call in one.message.zyron_tool_calls] == [ran["result"]]


def test_the_real_model_calls_and_is_answered(real, statement):
    """Whatever it says: the call is made, as it must be, and the answer goes on after it."""
    answer = real.chat(
        "Quel est l’EBE de 2024 ?",
        max_tokens=300,
        tool_choice={"type": "function", "function": {"name": "lire_poste"}},
        extra_body={"zyron_tools": ["finance"], "zyron_statement": statement},
    )
    message = answer.choices[0].message
    assert message.zyron_tool_calls[0]["function"]["name"] == "lire_poste"
    assert message.tool_calls is None
    assert answer.choices[0].finish_reason in ["stop", "length"]


def test_a_conversation_goes_on_with_an_answer_as_the_client_has_it(scripted, statement):
    options = {"extra_body": {"zyron_tools": ["finance"], "zyron_statement": statement}, "max_tokens": 200}
    answer = scripted.chat("say La marge est de 110 900 €.", **options).choices[0].message
    assert answer.zyron_numbers
    messages = [
        {"role": "user", "content": "La marge ?"},
        answer,
        {"role": "user", "content": "say L’EBE est de 37 900 €."},
    ]
    asked = scripted.asked(**options) | {"messages": messages}
    (number,) = scripted.client.chat.completions.create(**asked).choices[0].message.zyron_numbers
    assert number["verdict"]["kind"] == "source"
