"""NVIDIA's own client for Triton, unchanged, against a server as an operator would start it, with keys."""

import asyncio
import json
import os
import queue
import re
import subprocess
import urllib.request

import numpy
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

ZYRON = os.environ["ZYRON_BIN"]
PROMPT = "La capacité d'autofinancement est"
GREEDY = {"temperature": 0, "max_tokens": 16}


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def keys(state):
    def create(*arguments):
        command = [ZYRON, "keys", "create", "--state", state, "--owner", "Société Exemple", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    return {
        "chat": create("--scopes", "chat"),
        "finance": create("--scopes", "finance"),
        "slow": create("--scopes", "chat", "--requests-per-minute", "1"),
    }


@pytest.fixture(scope="module")
def addresses(state, keys):
    """Where the server is, over HTTP and over gRPC."""
    command = [ZYRON, "serve", "--port", "0", "--state", state]
    environment = os.environ | {"ZYRON__GRPC__PORT": "0"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        found = {}
        for line in process.stdout:
            if told := re.search(r"over gRPC, is at (\S+)", line):
                found["grpc"] = told.group(1)
            if told := re.search(r"Zyron is ready at (\S+)", line):
                found["http"] = told.group(1)
                break
        yield found
        process.terminate()


@pytest.fixture(scope="module")
def client(addresses):
    with triton.InferenceServerClient(addresses["grpc"]) as client:
        yield client


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def headers(keys):
    return bearer(keys["chat"])


@pytest.fixture(scope="module")
def over_http(addresses, keys):
    def ask(path, body=None):
        request = urllib.request.Request(addresses["http"] + path, body and json.dumps(body).encode())
        request.add_header("authorization", f"Bearer {keys['chat']}")
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    return ask


@pytest.fixture(scope="module")
def model(over_http):
    """The one model that is served."""
    (model,) = over_http("/v1/models")["data"]
    return model["id"]


@pytest.fixture(scope="module")
def continued(over_http, model):
    """How the prompt goes on, over HTTP."""
    answer = over_http("/v1/completions", {"model": model, "prompt": PROMPT, **GREEDY})
    return answer["choices"][0]["text"]


def tensor(name, value):
    datatype, element = ("BOOL", value) if isinstance(value, bool) else ("BYTES", value.encode())
    made = triton.InferInput(name, [1], datatype)
    made.set_data_from_numpy(numpy.array([element], dtype=bool if datatype == "BOOL" else numpy.object_))
    return made


def inputs(text=PROMPT, sampling=GREEDY, **others):
    named = {"text_input": text, "sampling_parameters": json.dumps(sampling)} | others
    return [tensor(name, value) for name, value in named.items()]


def text_of(result):
    return "".join(element.decode() for element in result.as_numpy("text_output"))


def is_final(result):
    return result.get_response().parameters["triton_final_response"].bool_param


def test_it_is_there(client, headers, model):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(model, headers=headers)
    assert not client.is_model_ready("no-such-model", headers=headers)


def test_it_describes_itself(client, headers, model):
    server = client.get_server_metadata(headers=headers)
    assert (server.name, bool(server.version)) == ("zyron", True)
    metadata = client.get_model_metadata(model, headers=headers)
    assert (metadata.name, list(metadata.versions)) == (model, ["1"])
    assert {"text_input", "stream", "sampling_parameters"} <= {each.name for each in metadata.inputs}
    assert "text_output" in {each.name for each in metadata.outputs}
    with pytest.raises(InferenceServerException) as error:
        client.get_model_metadata("no-such-model", headers=headers)
    assert error.value.status() == "StatusCode.NOT_FOUND"


def test_an_answer_is_that_of_http(client, headers, model, continued):
    result = client.infer(model, inputs(exclude_input_in_output=True), request_id="7", headers=headers)
    assert text_of(result) == continued
    assert result.get_response().id == "7"
    # As with Triton's vLLM backend, the text is before what continues it unless it is excluded.
    assert text_of(client.infer(model, inputs(), headers=headers)) == PROMPT + continued


def test_what_else_there_is_to_know_comes_when_it_is_asked_for(client, headers, model):
    asked = inputs(return_finish_reason=True, return_num_input_tokens=True, return_num_output_tokens=True)
    result = client.infer(model, asked, headers=headers)
    assert result.as_numpy("finish_reason")[0] in [b"stop", b"length"]
    assert result.as_numpy("num_input_tokens")[0] > 0
    assert 0 < result.as_numpy("num_output_tokens")[0] <= GREEDY["max_tokens"]
    outputs = [triton.InferRequestedOutput("finish_reason")]
    assert client.infer(model, inputs(), outputs=outputs, headers=headers).as_numpy("text_output") is None


def test_a_conversation_is_answered(client, headers, model, over_http):
    messages = [{"role": "user", "content": "Bonjour"}]
    asked = [tensor("messages", json.dumps(messages)), tensor("sampling_parameters", json.dumps(GREEDY))]
    answer = over_http("/v1/chat/completions", {"model": model, "messages": messages, **GREEDY})
    assert text_of(client.infer(model, asked, headers=headers)) == answer["choices"][0]["message"]["content"]


@pytest.mark.parametrize("has_an_end_of_its_own", [False, True])
def test_a_stream_calls_back_with_each_piece(addresses, headers, model, continued, has_an_end_of_its_own):
    answers = queue.Queue()
    with triton.InferenceServerClient(addresses["grpc"]) as client:
        client.start_stream(lambda result, error: answers.put((result, error)), headers=headers)
        for number in range(3):
            client.async_stream_infer(
                model,
                inputs(stream=True),
                request_id=str(number),
                enable_empty_final_response=has_an_end_of_its_own,
            )
        texts, ended = {}, 0
        while ended < 3:
            result, error = answers.get(timeout=60)
            assert error is None
            ended += is_final(result)
            if result.as_numpy("text_output") is None:
                assert has_an_end_of_its_own and is_final(result)
                continue
            number = result.get_response().id
            texts[number] = texts.get(number, "") + text_of(result)
        client.stop_stream()
    assert texts == {str(number): continued for number in range(3)}


def test_the_client_of_nvidias_example_works(addresses, headers, model, continued):
    """It writes numbers as texts, and says its parameters twice: as a tensor, and with the request."""
    sampling = {name: str(value) for name, value in GREEDY.items()}

    async def requests():
        for number in range(2):
            yield {
                "model_name": model,
                "inputs": inputs(sampling=sampling, stream=True),
                "outputs": [triton.InferRequestedOutput("text_output")],
                "request_id": str(number),
                "parameters": sampling,
            }

    async def ask():
        texts = {}
        async with triton_aio.InferenceServerClient(addresses["grpc"]) as client:
            async for result, error in client.stream_infer(requests(), headers=headers):
                assert error is None
                number = result.get_response().id
                texts[number] = texts.get(number, "") + text_of(result)
        return texts

    assert asyncio.run(ask()) == {"0": continued, "1": continued}


@pytest.mark.parametrize(
    ("named", "wrong"),
    [
        ("`text_input`", [tensor("stream", False)]),
        ("`image`", inputs(image="...")),
        ("`stream`", inputs(stream=True)),
        ("`max_tokens`", inputs(sampling={"max_tokens": -1})),
        ("`sampling_parameters`", [tensor("text_input", "a"), tensor("sampling_parameters", "{")]),
    ],
)
def test_what_is_wrong_is_named(client, headers, model, named, wrong):
    with pytest.raises(InferenceServerException) as error:
        client.infer(model, wrong, headers=headers)
    assert error.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert named in error.value.message()


def test_an_error_in_a_stream_ends_nothing(addresses, headers, model, continued):
    answers = queue.Queue()
    with triton.InferenceServerClient(addresses["grpc"]) as client:
        client.start_stream(lambda result, error: answers.put((result, error)), headers=headers)
        client.async_stream_infer(model, [tensor("stream", True)])
        result, error = answers.get(timeout=60)
        assert result is None and "`text_input`" in error.message()
        client.async_stream_infer(model, inputs(stream=True))
        text = ""
        while True:
            result, error = answers.get(timeout=60)
            assert error is None
            text += text_of(result)
            if is_final(result):
                break
        client.stop_stream()
    assert text == continued


def test_keys_are_those_of_http(client, keys, model):
    def refused(**options):
        with pytest.raises(InferenceServerException) as error:
            client.infer(model, inputs(), **options)
        return error.value.status()

    assert refused() == "StatusCode.UNAUTHENTICATED"
    assert refused(headers=bearer("zyr_nobody_nothing")) == "StatusCode.UNAUTHENTICATED"
    assert refused(headers=bearer(keys["finance"])) == "StatusCode.PERMISSION_DENIED"
    client.infer(model, inputs(), headers=bearer(keys["slow"]))
    assert refused(headers=bearer(keys["slow"])) == "StatusCode.RESOURCE_EXHAUSTED"


def test_a_call_that_is_not_here_says_so(client, headers, model):
    with pytest.raises(InferenceServerException) as error:
        client.get_model_config(model, headers=headers)
    assert error.value.status() == "StatusCode.UNIMPLEMENTED"
