"""Bytes of held-out text that a token is, for a tokenizer of ours and for Mistral's own, out of mistral-common."""

import json
import sys
from pathlib import Path

from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from tokenizers import Tokenizer


def prose(line: str) -> str:
    document = json.loads(line)
    if "text" in document:
        return document["text"]
    return "\n".join(message.get("content") or "" for message in document["chat"]["messages"])


def main() -> None:
    heldout, ours, out = map(Path, sys.argv[1:])
    texts = [prose(line) for line in heldout.read_text(encoding="utf-8").splitlines()]
    size = sum(len(text.encode()) for text in texts)
    mine = Tokenizer.from_file(str(ours))
    counts = {f"zyron-mini ({mine.get_vocab_size()} entries)": lambda text: len(mine.encode(text, add_special_tokens=False).ids)}
    for name, tokenizer in [("v3", MistralTokenizer.v3()), ("v3 Tekken", MistralTokenizer.v3(is_tekken=True))]:
        raw = tokenizer.instruct_tokenizer.tokenizer
        counts[f"Mistral {name} ({raw.n_words} entries)"] = lambda text, raw=raw: len(raw.encode(text, bos=False, eos=False))
    rates = {name: round(size / sum(map(count, texts)), 2) for name, count in counts.items()}
    for name, rate in rates.items():
        print(f"{name}: {rate:.2f} bytes a token")
    out.write_text(json.dumps(rates, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
