"""`/tokenize`, `/detokenize` and `/tokenizer_info`, in the shapes of vLLM and lm-eval."""

import pytest

ACCENTS = "Les élèves étaient à l'école. 2024 🎉"


@pytest.fixture
def post(server):
    def post(path, **body):
        answer = server.http.post(path, json=body)
        answer.raise_for_status()
        return answer.json()

    return post


@pytest.fixture
def refused(server):
    """Sends what must be refused, and returns the field at fault."""

    def refused(path, **body):
        answer = server.http.post(path, json=body)
        assert answer.status_code == 400, answer.text
        error = answer.json()["error"]
        assert error["type"] == "invalid_request_error"
        return error["param"]

    return refused


@pytest.mark.parametrize("text", ["The capital of France is", ACCENTS, " ", "a\x00b"])
def test_a_text_comes_back(post, text):
    answer = post("/tokenize", prompt=text)
    assert answer["count"] == len(answer["tokens"]) > 0
    assert all(isinstance(token, int) for token in answer["tokens"])
    assert post("/detokenize", tokens=answer["tokens"]) == {"prompt": text}


def test_the_context_is_told(real, scripted):
    for server, length in [(real, 8192), (scripted, 8192)]:
        answer = server.http.post("/tokenize", json={"model": server.model, "prompt": "Hello"}).json()
        assert answer["max_model_len"] == length


def test_the_count_is_what_a_completion_counts(server, post):
    assert post("/tokenize", prompt=server.prompt)["count"] == server.complete().usage.prompt_tokens


def test_a_conversation_is_what_chat_reads(server, post):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": server.question}]
    answer = post("/tokenize", messages=messages)
    chat = server.chat(messages=messages)
    assert answer["count"] == chat.usage.prompt_tokens
    assert server.complete(answer["tokens"]).usage.prompt_tokens == chat.usage.prompt_tokens


def test_the_same_tokens_say_the_same(server, post):
    messages = [{"role": "user", "content": server.question}]
    tokens = post("/tokenize", messages=messages)["tokens"]
    assert server.complete(tokens).choices[0].text == server.chat(messages=messages).choices[0].message.content


def test_pieces_are_given_where_they_are_asked_for(post):
    answer = post("/tokenize", prompt="Hello, world", return_token_strs=True)
    assert len(answer["token_strs"]) == answer["count"]
    assert all(isinstance(piece, str) for piece in answer["token_strs"])
    assert post("/tokenize", prompt="Hello, world").get("token_strs") is None


def test_special_tokens_are_added_or_not(server, post):
    """Neither of these models begins a text with one."""
    with_them, without = (post("/tokenize", prompt="Hello", add_special_tokens=add) for add in [True, False])
    assert with_them["tokens"] == without["tokens"] == server.tokenize("Hello")


def test_the_tokenizer_describes_itself(server, post):
    info = server.http.get("/tokenizer_info").json()
    assert info["tokenizer_class"]
    assert "<|im_start|>" in info["chat_template"]
    assert info["eos_token"] == "<|im_end|>"
    assert "bos_token" in info
    # lm-eval takes the first of these for the token that ends a text.
    (end,) = post("/tokenize", prompt=info["eos_token"], add_special_tokens=False)["tokens"]
    assert end == {"SmolLM2-135M-Instruct.Q4_1": 2, "scripted": 257}[server.model]


def test_what_is_wrong_is_named(refused):
    assert refused("/tokenize") == "prompt"
    assert refused("/tokenize", prompt="a", messages=[{"role": "user", "content": "b"}]) in ["prompt", "messages"]
    assert refused("/tokenize", prompt=1) == "prompt"
    assert refused("/tokenize", prompt="a", unheard_of=1) == "unheard_of"
    assert refused("/detokenize", tokens=[1_000_000]).startswith("tokens")
    assert refused("/detokenize", tokens="a").startswith("tokens")


def test_an_unknown_model_is_not_found(server):
    for path, body in [("/tokenize", {"prompt": "a"}), ("/detokenize", {"tokens": [65]})]:
        answer = server.http.post(path, json={"model": "no-such-model"} | body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
