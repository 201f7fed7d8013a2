"""lm-eval, unchanged, against the server at ZYRON_F32_URL, and its numbers against a forward pass of our own.

ZYRON_F32_MODEL is the folder that convert.py made and the server serves.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from reference import Reference

HERE = Path(__file__).parent
# Float32 on one side and float64 on the other, over up to twenty tokens.
TOLERANCE = 1e-3
# lm-eval sends prompts of different lengths in one request, and orders the answers by their `index`.
BATCH = 4


@pytest.fixture(scope="session")
def url():
    url = os.environ.get("ZYRON_F32_URL")
    if not url:
        raise pytest.UsageError("ZYRON_F32_URL is not set; `cargo xtask test` starts a server and sets it")
    return url


@pytest.fixture(scope="session")
def reference():
    return Reference(Path(os.environ["ZYRON_F32_MODEL"]))


@pytest.fixture(scope="session")
def tokenize(url):
    """As lm-eval's own client of the server's tokenizer does it."""

    def tokenize(text):
        answer = requests.post(f"{url}/tokenize", json={"prompt": text, "add_special_tokens": False}, timeout=60)
        answer.raise_for_status()
        return answer.json()["tokens"]

    return tokenize


@pytest.fixture(scope="session")
def evaluated(url, tmp_path_factory):
    """What `lm-eval` wrote: the results and, task by task, the samples."""
    folder = tmp_path_factory.mktemp("lm_eval")
    (model,) = requests.get(f"{url}/v1/models", timeout=60).json()["data"]
    settings = {
        "model": model["id"],
        "base_url": f"{url}/v1/completions",
        "tokenizer_backend": "remote",
        "max_retries": 1,
    }
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "local-completions"]
    command += ["--model_args", ",".join(f"{name}={value}" for name, value in settings.items())]
    command += ["--tasks", "finance_fr,finance_fr_greedy", "--include_path", str(HERE), "--batch_size", str(BATCH)]
    command += ["--log_samples", "--output_path", str(folder / "out")]
    # Nothing of it may depend on what the machine has cached, or on a hub.
    offline = {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    offline["OPENAI_API_KEY"] = "none"
    ended = subprocess.run(command, cwd=HERE, env=os.environ | offline, capture_output=True, text=True, timeout=900)
    assert ended.returncode == 0, ended.stdout + ended.stderr

    (results,) = (folder / "out").rglob("results_*.json")
    samples = {}
    for task in ["finance_fr", "finance_fr_greedy"]:
        (file,) = (folder / "out").rglob(f"samples_{task}_2*.jsonl")
        lines = file.read_text(encoding="utf-8").splitlines()
        samples[task] = sorted(map(json.loads, lines), key=lambda sample: sample["doc_id"])
    return json.loads(results.read_text(encoding="utf-8"))["results"], samples


def arguments(sample):
    """The pairs of texts, or of a text and its settings, that a sample asked about."""
    return [tuple(arguments.values()) for arguments in sample["arguments"].values()]


def test_log_likelihoods_are_those_of_the_reference(evaluated, tokenize, reference):
    results, samples = evaluated
    documents = samples["finance_fr"]
    assert len(documents) == 8
    pairs = [pair for sample in documents for pair in arguments(sample)]
    assert len(pairs) == 32
    contexts = [tokenize(context) for context, _ in pairs]
    wholes = [tokenize(context + continuation) for context, continuation in pairs]
    answered = [response for sample in documents for (response,) in sample["resps"]]

    expected = []
    for context, whole, rows in zip(contexts, wholes, reference.log_probabilities(wholes), strict=True):
        own = [(rows[at - 1], token) for at, token in enumerate(whole)][len(context) :]
        expected.append((sum(row[token] for row, token in own), all(row.argmax() == token for row, token in own)))
    for pair, (sum_, greedy), (expected_sum, expected_greedy) in zip(pairs, answered, expected, strict=True):
        # Written down as text.
        assert float(sum_) == pytest.approx(expected_sum, abs=TOLERANCE), pair
        assert str(greedy) == str(bool(expected_greedy)), pair

    right = 0
    for at, sample in enumerate(documents):
        sums = [total for total, _ in expected[4 * at : 4 * at + 4]]
        right += sums.index(max(sums)) == sample["doc"]["answer"]
    assert results["finance_fr"]["acc,none"] == pytest.approx(right / len(documents))


def test_greedy_answers_are_those_of_the_reference(evaluated, tokenize, reference):
    _, samples = evaluated
    documents = samples["finance_fr_greedy"]
    assert len(documents) == 8
    contexts = [context for sample in documents for context, _ in arguments(sample)]
    answers = [answer for sample in documents for ((answer,),) in [sample["resps"]]]
    assert any(answers), "the model was to say something"

    prompts = [tokenize(context) for context in contexts]
    wholes = [tokenize(context + answer) for context, answer in zip(contexts, answers, strict=True)]
    for prompt, whole, rows, answer in zip(
        prompts, wholes, reference.log_probabilities(wholes), answers, strict=True
    ):
        chosen = [int(row.argmax()) for row in rows[len(prompt) - 1 : -1]]
        assert whole == prompt + chosen, answer


def test_every_log_probability_is_that_of_the_reference(url, tokenize, reference):
    """The prompt's tokens, and those generated after it, one by one."""
    text = "The capital of France is"
    prompt = tokenize(text)
    (model,) = requests.get(f"{url}/v1/models", timeout=60).json()["data"]
    request = {"model": model["id"], "prompt": prompt, "echo": True, "logprobs": 5, "temperature": 0, "max_tokens": 6}
    answer = requests.post(f"{url}/v1/completions", json=request, timeout=60)
    answer.raise_for_status()
    (choice,) = answer.json()["choices"]
    assert choice["text"].startswith(f"{text} Paris")

    whole = tokenize(choice["text"])
    assert whole[: len(prompt)] == prompt
    assert len(whole) == len(prompt) + 6
    (rows,) = reference.log_probabilities([whole])
    logprobs = choice["logprobs"]
    assert logprobs["token_logprobs"][0] is None
    expected = [rows[at - 1][token] for at, token in enumerate(whole)][1:]
    assert logprobs["token_logprobs"][1:] == pytest.approx(expected, abs=TOLERANCE)
    for top, row in zip(logprobs["top_logprobs"][1:], rows[:-1], strict=True):
        likeliest = sorted(row, reverse=True)[: len(top)]
        # The token that stands there is listed too, where it is not among the likeliest.
        assert sorted(top.values(), reverse=True)[:5] == pytest.approx(likeliest[:5], abs=TOLERANCE)
