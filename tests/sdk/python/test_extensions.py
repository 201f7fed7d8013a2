"""Fields that OpenAI does not have, under the names they have elsewhere, and those of OpenAI's that steer sampling."""

import openai
import pytest

HOT = {"temperature": 2, "seed": 3}


def said(answer):
    return answer.choices[0].message.content


@pytest.mark.parametrize("field", [{"top_k": 1}, {"min_p": 1}], ids=str)
def test_what_leaves_only_the_likeliest_token_is_greedy(real, field):
    assert said(real.chat(**HOT)) != said(real.chat())
    assert said(real.chat(extra_body=field, **HOT)) == said(real.chat())
    completion = real.complete(extra_body=field, **HOT)
    assert completion.choices[0].text == real.complete().choices[0].text


def test_top_p_of_nothing_is_greedy(real):
    assert said(real.chat(top_p=0, **HOT)) == said(real.chat())


@pytest.mark.parametrize(
    "penalty",
    [{"frequency_penalty": 2}, {"presence_penalty": 2}, {"extra_body": {"repetition_penalty": 2}}],
    ids=str,
)
def test_penalties_change_what_is_repeated(real, penalty):
    prompt = "The dog. The dog. The dog. The dog. The dog."
    plain = real.complete(prompt, max_tokens=12).choices[0].text
    assert plain.count(" dog") > 2
    assert real.complete(prompt, max_tokens=12, **penalty).choices[0].text.count(" dog") < plain.count(" dog")


def test_a_bias_can_force_a_token(real):
    (token,) = real.tokenize(" franc")
    assert said(real.chat(logit_bias={str(token): 100}, max_tokens=3)) == " franc" * 3


def test_a_developer_is_heard_as_a_system_is(server):
    def asked(role):
        messages = [{"role": role, "content": "Be brief."}, {"role": "user", "content": server.question}]
        return server.chat(messages=messages)

    assert said(asked("developer")) == said(asked("system"))
    assert asked("developer").usage == asked("system").usage


def test_a_name_is_accepted(server):
    named = [{"role": "user", "name": "Claude", "content": server.question}]
    assert server.chat(messages=named).choices[0].message.content


def test_an_answer_can_be_continued(real):
    answer = real.chat(logprobs=True)
    begun = "".join(entry.token for entry in answer.choices[0].logprobs.content[:6])
    messages = [{"role": "user", "content": real.question}, {"role": "assistant", "content": begun}]
    body = {"continue_final_message": True, "add_generation_prompt": False}
    continued = real.chat(messages=messages, extra_body=body, max_tokens=10)
    # Not the same words: its kernels round, and not alike for one token and for many.
    assert said(continued)
    assert continued.usage.prompt_tokens == answer.usage.prompt_tokens + 6


def test_the_generation_prompt_can_be_left_out(server):
    with_it, without = server.chat(), server.chat(extra_body={"add_generation_prompt": False})
    assert without.usage.prompt_tokens < with_it.usage.prompt_tokens


def test_variables_of_the_template_are_accepted(server):
    body = {"chat_template_kwargs": {"enable_thinking": False}}
    assert said(server.chat(extra_body=body)) == said(server.chat())


@pytest.mark.parametrize(
    "body, param",
    [
        ({"top_k": -1.5}, "top_k"),
        ({"min_p": 2}, "min_p"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"chat_template_kwargs": {"messages": []}}, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"x": "x" * 1_000_000}}, "chat_template_kwargs"),
        ({"continue_final_message": True, "add_generation_prompt": False}, "continue_final_message"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_they_cannot_be_is_named(server, body, param):
    with pytest.raises(openai.BadRequestError) as caught:
        server.chat(extra_body=body)
    assert caught.value.param.startswith(param)


def test_a_suffix_needs_a_model_that_knows_how(server):
    with pytest.raises(openai.BadRequestError) as caught:
        server.complete(suffix="fin")
    assert caught.value.param == "suffix"
