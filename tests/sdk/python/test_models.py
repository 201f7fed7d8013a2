"""`models.list` and `models.retrieve`."""

import openai
import pytest


def test_the_model_is_listed(client):
    models = client.models.list()
    assert models.object == "list"
    assert [model.object for model in models] == ["model"]
    assert models.data[0].id
    assert models.data[0].created > 1_600_000_000


def test_a_listed_model_can_be_retrieved(client, model):
    assert client.models.retrieve(model.id) == model


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("no-such-model")
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"
    assert "no-such-model" in caught.value.message
