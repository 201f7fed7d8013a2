"""OpenAI's client and embedding models of both engines, whose vectors a forward pass of our own computes, too."""

import json
import os
import re
import subprocess

import models
import numpy as np
import openai
import pytest
import reference

ZYRON = os.environ["ZYRON_BIN"]
TEXTS = ["Le RÉSULTAT net", "La trésorerie, la trésorerie.", "bilan", "passifs " * 20, "produits inconnu charges"]
# The engines' weights are the reference's, to 16 bits: the activations of some kernels are not.
TOLERANCE = 2e-3


# What a tokenizer is trained on.
FRENCH = """\
Le résultat net mesure ce que l’entreprise a gagné pendant l’exercice.
La trésorerie nette est la différence entre le fonds de roulement et le besoin en fonds de roulement.
Le bilan présente l’actif et le passif de la société à la clôture.
L’excédent brut d’exploitation ne tient pas compte des amortissements ni des charges financières.
Les produits d’exploitation comprennent les ventes de marchandises et la production vendue.
Les charges de personnel, les impôts et les taxes diminuent la valeur ajoutée.
Une provision est inscrite au passif quand une sortie de ressources est probable.
La capacité d’autofinancement finance les investissements et le remboursement des emprunts.
Le délai de règlement des clients allonge le besoin en fonds de roulement.
Les capitaux propres comprennent le capital, les réserves et le résultat de l’exercice.
Le taux de marge rapporte la marge commerciale aux ventes de marchandises.
Les immobilisations corporelles sont amorties sur leur durée d’utilisation.
"""


class Served:
    """A model, the client that asks it, and what it should say."""

    def __init__(self, client, vector, tokens, texts):
        self.client, self.vector, self.tokens = client, vector, tokens
        self.texts = [text for text in texts if len(tokens(text)) <= models.CONTEXT]
        [self.model] = client.models.list().data

    def embed(self, texts, **options):
        return self.client.embeddings.create(model=self.model.id, input=texts, **options)


def pieces(text):
    """WordPiece, by hand, for the words of this file."""
    plain = text.lower().translate(str.maketrans("éè", "ee"))
    tokens = ["[CLS]"]
    for word in re.findall(r"\w+|[^\w\s]", plain):
        found, rest = [], word
        while rest:
            names = [("##" if found else "") + rest[:end] for end in range(len(rest), 0, -1)]
            best = next((name for name in names if name in models.VOCABULARY), None)
            if best is None:
                found = ["[UNK]"]
                break
            found.append(best)
            rest = rest[len(best.removeprefix("##")) :]
        tokens += found
    return [models.VOCABULARY.index(token) for token in [*tokens, "[SEP]"]]


def bytes_and_end(text):
    return [*text.encode(), 256]


@pytest.fixture(scope="module", params=["bert.gguf", "xlm-roberta.gguf", "qwen3.gguf", "qwen3"])
def served(request, tmp_path_factory):
    path, texts = tmp_path_factory.mktemp("models") / request.param, TEXTS
    if request.param == "bert.gguf":
        weights, forward, tokens = models.bert_weights(), reference.bert, pieces
        models.write_bert(path, weights)
    elif request.param == "xlm-roberta.gguf":
        tokenizer = models.train_sentencepiece(FRENCH.splitlines())
        weights, forward = models.bert_weights(tokenizer.vocab_size()), reference.bert
        models.write_xlm_roberta(path, weights, tokenizer)
        # What its table of characters writes otherwise, and spaces.
        texts = [*TEXTS, "  L’EBE : ½ ﬁnal…  ", "ＴＶＡ à\u00a020 %\n\nen 2024"]

        def tokens(text):
            return [tokenizer.bos_id(), *tokenizer.encode(text), tokenizer.eos_id()]
    else:
        weights, forward, tokens = models.qwen_weights(), reference.qwen, bytes_and_end
        write = models.write_qwen_gguf if path.suffix else models.write_qwen_folder
        write(path, weights)
    command = [ZYRON, "serve", "--port", "0", "--model", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        ready = (re.search(r"Zyron is ready at (\S+)", line) for line in process.stdout)
        base = next(found for found in ready if found).group(1) + "/v1"
        with openai.OpenAI(base_url=base, api_key="none", max_retries=0) as client:
            yield Served(client, lambda ids: forward(weights, ids), tokens, texts)
        process.terminate()


def test_the_vectors_are_the_model_s(served):
    assert len(served.texts) >= 3
    answer = served.embed(served.texts)
    assert [item.index for item in answer.data] == list(range(len(served.texts)))
    assert answer.usage.prompt_tokens == sum(len(served.tokens(text)) for text in served.texts)
    for text, item in zip(served.texts, answer.data, strict=True):
        expected = served.vector(served.tokens(text))
        assert len(item.embedding) == models.WIDTH
        assert np.abs(np.array(item.embedding) - expected).max() < TOLERANCE, text


def test_a_text_alone_and_among_others_is_the_same(served):
    together = served.embed(served.texts * 20).data
    for place, text in enumerate(served.texts):
        alone = served.embed(text).data[0].embedding
        for copy in together[place :: len(served.texts)]:
            assert np.abs(np.array(alone) - copy.embedding).max() < 1e-4, text


def test_tokens_are_taken_as_they_are(served):
    text = TEXTS[2]
    expected = served.embed(text).data[0].embedding
    given = served.embed([served.tokens(text)]).data[0].embedding
    assert np.abs(np.array(expected) - given).max() < 1e-5
    # Without the end, it is another text.
    other = served.embed(served.tokens(text)[:-1]).data[0].embedding
    assert np.abs(np.array(expected) - other).max() > 1e-3


def test_a_single_token(served):
    token = served.tokens(TEXTS[2])[-1:]
    if served.model.id == "qwen3" and served.model.architecture == "Qwen3ForCausalLM":
        # mistral.rs cannot.
        with pytest.raises(openai.BadRequestError, match="single token"):
            served.embed(token)
    else:
        assert np.abs(served.vector(token) - served.embed(token).data[0].embedding).max() < TOLERANCE


def test_numbers_and_base64_are_the_same(served):
    # The client asks for base64 where it is not told otherwise.
    asked = served.embed(TEXTS[0]).data[0].embedding
    numbers = served.embed(TEXTS[0], encoding_format="float").data[0].embedding
    assert np.abs(np.array(asked) - numbers).max() < 1e-6


def test_dimensions(served):
    whole = np.array(served.embed(TEXTS[0]).data[0].embedding)
    short = np.array(served.embed(TEXTS[0], dimensions=16).data[0].embedding)
    assert np.abs(short - reference.unit(whole[:16])).max() < 1e-5
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        served.embed(TEXTS[0], dimensions=models.WIDTH + 1)


def test_what_is_too_long_is_said(served):
    with pytest.raises(openai.BadRequestError, match="tokens, and this model reads") as refused:
        served.embed(["bilan", "bilan " * models.CONTEXT])
    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "input[1]")


def test_it_answers_nothing_else(served):
    assert served.model.pooling in ("mean", "last")
    with pytest.raises(openai.BadRequestError, match="/v1/embeddings"):
        served.client.completions.create(model=served.model.id, prompt="a")
    with pytest.raises(openai.BadRequestError, match="/v1/embeddings"):
        served.client.chat.completions.create(model=served.model.id, messages=[{"role": "user", "content": "a"}])


def test_damaged_models_are_refused_in_a_sentence(tmp_path):
    def refusal(path):
        done = subprocess.run([ZYRON, "serve", "--model", path], capture_output=True, text=True, timeout=60)
        assert done.returncode != 0
        return done.stderr

    folder = tmp_path / "qwen3"
    models.write_qwen_folder(folder, models.qwen_weights())
    (folder / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_max_tokens": True}))
    assert "it pools in a way that is not supported" in refusal(folder)
    (folder / "modules.json").write_text(json.dumps([{"type": "a.Pooling", "path": "../elsewhere"}]))
    assert "names a folder that is not in it" in refusal(folder)
