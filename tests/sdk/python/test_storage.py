"""Stored responses, which the operator must turn on: the scripted server has them, the real one has not."""

import openai
import pytest


def test_a_response_can_be_continued(scripted):
    first = scripted.respond("say un", instructions="Be brief.")
    second = scripted.respond("say deux", previous_response_id=first.id)
    assert second.output_text == "deux"
    assert second.previous_response_id == first.id
    third = scripted.respond("say trois", previous_response_id=second.id)
    alone = scripted.respond("say trois")
    # The model reads what was said before, but not the instructions.
    assert third.usage.input_tokens > second.usage.input_tokens > alone.usage.input_tokens + len("say un" + "un")
    assert second.instructions is None


def test_a_response_can_be_read_again_and_deleted(scripted):
    response = scripted.respond("say un")
    assert scripted.client.responses.retrieve(response.id) == response
    scripted.client.responses.delete(response.id)
    for ask in [scripted.client.responses.retrieve, scripted.client.responses.delete]:
        with pytest.raises(openai.NotFoundError) as caught:
            ask(response.id)
        assert (caught.value.type, caught.value.code) == ("invalid_request_error", "not_found")
    with pytest.raises(openai.APIStatusError) as caught:
        scripted.respond("say deux", previous_response_id=response.id)
    assert caught.value.param == "previous_response_id"


def test_a_response_need_not_be_stored(scripted):
    response = scripted.respond("say un", store=False)
    with pytest.raises(openai.NotFoundError):
        scripted.client.responses.retrieve(response.id)


def test_a_streamed_response_is_stored_too(scripted):
    events = list(scripted.respond("say un", stream=True))
    stored = scripted.client.responses.retrieve(events[-1].response.id)
    assert stored.output_text == "un"
    assert stored == events[-1].response


def test_a_response_can_be_written_in_the_background(scripted):
    response = scripted.respond("say un", background=True)
    assert response.background is True
    # Each look is a request, so this neither spins nor sleeps.
    for _ in range(1000):
        if response.status not in ["queued", "in_progress"]:
            break
        response = scripted.client.responses.retrieve(response.id)
    assert (response.status, response.output_text) == ("completed", "un")


def test_a_response_in_the_background_can_be_cancelled(scripted):
    response = scripted.respond("stall", background=True)
    assert response.status in ["queued", "in_progress"]
    cancelled = scripted.client.responses.cancel(response.id)
    assert (cancelled.id, cancelled.status) == (response.id, "cancelled")
    assert scripted.client.responses.retrieve(response.id).status == "cancelled"


def test_only_what_is_in_the_background_can_be_cancelled(scripted):
    response = scripted.respond("say un")
    with pytest.raises(openai.BadRequestError):
        scripted.client.responses.cancel(response.id)


@pytest.mark.parametrize("param, value", [("previous_response_id", "resp_1"), ("background", True)])
def test_without_storage_what_needs_it_is_refused(real, param, value):
    with pytest.raises(openai.BadRequestError) as caught:
        real.respond(**{param: value})
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", param)
    assert "stor" in caught.value.message


def test_without_storage_nothing_is_found(real):
    response = real.respond(store=True)
    for ask in [real.client.responses.retrieve, real.client.responses.delete, real.client.responses.cancel]:
        with pytest.raises(openai.NotFoundError) as caught:
            ask(response.id)
        assert (caught.value.type, caught.value.code) == ("invalid_request_error", "not_found")
        assert "stor" in caught.value.message
