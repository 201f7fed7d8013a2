"""Stop strings cut out of an answer that is known, each with what must be left of the answer."""

import re


def of(text):
    words = list(re.finditer(r"\S+", text))
    assert len(words) >= 8, f"too short to cut: {text!r}"
    start, end = words[4].span()
    stops = {
        "a word": text[start:end],
        "across two words": text[end - 1 : end + 2],
        "its first character": text[0],
        "its last character that is new": next(text[i] for i in reversed(range(len(text))) if text[i] not in text[:i]),
    }
    return [(name, stop, text[: text.index(stop)]) for name, stop in stops.items()]


def almost_met(text):
    """A stop string that the answer begins but does not finish: all of the answer must come out."""
    return text[-3:] + "\u0001"
