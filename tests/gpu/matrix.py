"""Whether a GPU computes what a CPU does: each engine and number format beside log-probabilities from a CPU.

    python matrix.py reference.json --zyron CPU_BUILD  --gguf MODEL.gguf --folder F32_FOLDER --write
    python matrix.py reference.json --zyron CUDA_BUILD --gguf MODEL.gguf --folder F32_FOLDER

The first line runs on any machine, the second on one with a GPU. tests/lm_eval/convert.py makes the folder out of the
GGUF file, so all of them hold the same weights. Needs nothing but Python.
"""

import argparse
import json
import socket
import subprocess
import sys
import time
import urllib.request

TEXT = (
    "The balance sheet of a company shows what it owns and what it owes at the end of its financial year. "
    "Le bilan d'une entreprise présente son actif et son passif à la clôture de l'exercice. "
    "Equity is the difference between the two: 1 250 000 - 830 000 = 420 000 euros."
)
QUESTION = "Name the capital of France."
ANSWER = "Paris"
# Name, engine, model, further flags, and the mean and the largest difference of a log-probability that rounding
# explains, about twice what docs/gpu.md measured: quantized kernels round activations to 8 bits, and bf16 has 8 bits of
# mantissa.
MATRIX = [
    ("GGUF Q4_1, llama_cpp", "llama_cpp", "gguf", [], 0.3, 1.6),
    ("GGUF Q4_1, mistralrs", "mistralrs", "gguf", [], 0.3, 1.6),
    ("safetensors F32, mistralrs", "mistralrs", "folder", ["--dtype", "f32"], 0.005, 0.03),
    ("safetensors F16, mistralrs", "mistralrs", "folder", ["--dtype", "f16"], 0.01, 0.05),
    ("safetensors BF16, mistralrs", "mistralrs", "folder", ["--dtype", "bf16"], 0.08, 0.4),
    ("safetensors F16, ISQ Q8_0, mistralrs", "mistralrs", "folder", ["--dtype", "f16", "--isq", "q8_0"], 0.15, 0.9),
    ("safetensors BF16, ISQ Q4K, mistralrs", "mistralrs", "folder", ["--dtype", "bf16", "--isq", "q4k"], 0.6, 4.0),
]
# The same without rounding: what all are measured against.
REFERENCE = ("safetensors F32", "mistralrs", "folder", ["--dtype", "f32"])


def post(port, path, body):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    def __init__(self, zyron, engine, model, flags):
        self.port = free_port()
        self.log = open("matrix.log", "ab")
        line = [zyron, "serve", "--port", str(self.port), "--engine", engine, "--model", model, "--model-id", "m"]
        line += ["--context-length", "2048", *flags]
        self.started = time.time()
        self.process = subprocess.Popen(line, stdout=self.log, stderr=self.log)

    def __enter__(self):
        while time.time() < self.started + 300:
            if self.process.poll() is not None:
                raise RuntimeError(f"it stopped with {self.process.returncode}; see matrix.log")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=5)
                return self
            except OSError:
                time.sleep(0.2)
        raise RuntimeError("it is not ready after five minutes; see matrix.log")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)

    def ask(self):
        scored = post(self.port, "/v1/completions", {
            "model": "m", "prompt": TEXT, "echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0,
        })["choices"][0]["logprobs"]
        # The first token has none; the last was generated.
        logprobs = scored["token_logprobs"][1:-1]
        start = time.time()
        answer = post(self.port, "/v1/completions", {
            "model": "m", "prompt": TEXT, "max_tokens": 128, "temperature": 0, "seed": 1,
        })
        rate = answer["usage"]["completion_tokens"] / (time.time() - start)
        chat = post(self.port, "/v1/chat/completions", {
            "model": "m", "messages": [{"role": "user", "content": QUESTION}], "temperature": 0, "max_tokens": 24,
        })["choices"][0]["message"]["content"]
        return logprobs, chat, rate


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference")
    parser.add_argument("--zyron", required=True)
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--write", action="store_true", help="write the reference")
    args = parser.parse_args()
    if args.write:
        _, engine, model, flags = REFERENCE
        with Server(args.zyron, engine, getattr(args, model), flags) as server:
            logprobs, chat, _ = server.ask()
        with open(args.reference, "w") as file:
            json.dump({"logprobs": logprobs}, file)
        print(f"{len(logprobs)} log-probabilities; {chat!r}")
        return 0 if ANSWER in chat else 1
    with open(args.reference) as file:
        reference = json.load(file)
    print("| what | ready s | mean difference | largest | tok/s | " + repr(QUESTION) + " |\n|---|---|---|---|---|---|")
    wrong = 0
    for name, engine, model, flags, most_mean, most in MATRIX:
        try:
            with Server(args.zyron, engine, getattr(args, model), flags) as server:
                ready = time.time() - server.started
                logprobs, chat, rate = server.ask()
            assert len(logprobs) == len(reference["logprobs"]), "another number of tokens"
            differences = [abs(a - b) for a, b in zip(logprobs, reference["logprobs"], strict=True)]
            mean, largest = sum(differences) / len(differences), max(differences)
            verdicts = [
                "" if mean <= most_mean else f" (more than {most_mean})",
                "" if largest <= most else f" (more than {most})",
                "" if ANSWER in chat else f" (not {ANSWER})",
            ]
            wrong += any(verdicts)
            numbers = f"{mean:.4f}{verdicts[0]} | {largest:.4f}{verdicts[1]} | {rate:.0f}"
            print(f"| {name} | {ready:.1f} | {numbers} | {chat!r}{verdicts[2]} |")
        except Exception as error:  # The others are still worth knowing.
            wrong += 1
            print(f"| {name} | failed: {error} | | | | |")
        sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
