"""Forward passes of BERT and Qwen3 in numpy, written from the architectures' descriptions, to compare vectors with.

They share no code with Zyron, llama.cpp or mistral.rs, and compute in 64 bits, one text at a time.
"""

import numpy as np
from models import BASE, EPSILON, HEADS, KEY_HEADS, LAYERS, WIDTH
from scipy.special import erf


def unit(vector):
    return vector / np.linalg.norm(vector)


def attention(queries, keys, values, causal):
    """Each of shape (tokens, heads, size)."""
    queries, keys, values = (each.swapaxes(0, 1) for each in (queries, keys, values))
    keys, values = (np.repeat(each, len(queries) // len(each), axis=0) for each in (keys, values))
    scores = queries @ keys.swapaxes(1, 2) / np.sqrt(queries.shape[-1])
    if causal:
        scores = np.where(np.tri(scores.shape[-1], dtype=bool), scores, -np.inf)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = scores / scores.sum(axis=-1, keepdims=True) @ values
    return mixed.swapaxes(0, 1).reshape(mixed.shape[1], -1)


def bert(weights, tokens):
    """The mean of the last states."""
    weights = {name: weight.astype(np.float64) for name, weight in weights.items()}

    def apply(name, states):
        return states @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name, states):
        centred = states - states.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt(centred.var(axis=-1, keepdims=True) + EPSILON)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    states = weights["token_embd.weight"][tokens] + weights["position_embd.weight"][: len(tokens)]
    states = norm("token_embd_norm", states + weights["token_types.weight"][0])
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        parts = (apply(f"{block}.attn_{part}", states).reshape(len(tokens), HEADS, -1) for part in "qkv")
        mixed = apply(f"{block}.attn_output", attention(*parts, causal=False))
        states = norm(f"{block}.attn_output_norm", states + mixed)
        inner = apply(f"{block}.ffn_up", states)
        inner = inner * (1 + erf(inner / np.sqrt(2))) / 2
        states = norm(f"{block}.layer_output_norm", states + apply(f"{block}.ffn_down", inner))
    return unit(states.mean(axis=0))


def qwen(weights, tokens):
    """The last state of the last token."""
    weights = {name: weight.astype(np.float64) for name, weight in weights.items()}

    def norm(name, states):
        mean = np.square(states).mean(axis=-1, keepdims=True)
        return states / np.sqrt(mean + EPSILON) * weights[f"{name}.weight"]

    def rotated(vectors):
        size = vectors.shape[-1]
        frequencies = BASE ** (-np.arange(0, size, 2) / size)
        angles = np.outer(np.arange(len(vectors)), frequencies)[:, None, :]
        first, second = np.split(vectors, 2, axis=-1)
        cos, sin = np.cos(angles), np.sin(angles)
        return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)

    states = weights["token_embd.weight"][tokens]
    for layer in range(LAYERS):
        block = f"blk.{layer}"

        def heads(part, count, inner, block=block):
            return (inner @ weights[f"{block}.attn_{part}.weight"].T).reshape(len(tokens), count, WIDTH // HEADS)

        inner = norm(f"{block}.attn_norm", states)
        queries = rotated(norm(f"{block}.attn_q_norm", heads("q", HEADS, inner)))
        keys = rotated(norm(f"{block}.attn_k_norm", heads("k", KEY_HEADS, inner)))
        mixed = attention(queries, keys, heads("v", KEY_HEADS, inner), causal=True)
        states = states + mixed @ weights[f"{block}.attn_output.weight"].T
        inner = norm(f"{block}.ffn_norm", states)
        gate = inner @ weights[f"{block}.ffn_gate.weight"].T
        gate = gate / (1 + np.exp(-gate))
        inner = gate * (inner @ weights[f"{block}.ffn_up.weight"].T)
        states = states + inner @ weights[f"{block}.ffn_down.weight"].T
    return unit(norm("output_norm", states)[-1])
