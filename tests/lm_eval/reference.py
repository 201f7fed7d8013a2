"""A forward pass of Llama in numpy, written from the architecture's description, to compare the server with.

It shares no code with Zyron or mistral.rs, computes in 64 bits, and knows the whole sequence at once: no cache, no
batch, no quantization.
"""

import json

import numpy as np
from safetensors import safe_open


class Reference:
    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._file = safe_open(folder / "model.safetensors", framework="numpy")

    def log_probabilities(self, sequences):
        """For each sequence of tokens, an array of the natural logarithms of what follows each token."""
        # One after another in one array, so that a weight is applied to all of them at once; only attention is apart.
        ends = np.cumsum([len(tokens) for tokens in sequences])[:-1]
        embeddings = self._weight("model.embed_tokens")
        states = embeddings[np.concatenate(sequences)]
        for layer in range(self.config["num_hidden_layers"]):
            states = self._layer(states, ends, layer)
        states = self._norm(states, self._weight("model.norm"))
        return [log_softmax(part @ embeddings.T) for part in np.split(states, ends)]

    def _layer(self, states, ends, layer):
        def weight(name):
            return self._weight(f"model.layers.{layer}.{name}")

        def project(inner, name):
            return inner @ weight(name).T

        inner = self._norm(states, weight("input_layernorm"))
        projected = [np.split(project(inner, f"self_attn.{name}_proj"), ends) for name in "qkv"]
        mixed = np.concatenate([self._attention(*parts) for parts in zip(*projected, strict=True)])
        states = states + project(mixed, "self_attn.o_proj")
        inner = self._norm(states, weight("post_attention_layernorm"))
        gate = project(inner, "mlp.gate_proj")
        gate = gate / (1 + np.exp(-gate))
        return states + project(gate * project(inner, "mlp.up_proj"), "mlp.down_proj")

    def _attention(self, queries, keys, values):
        heads, shared = self.config["num_attention_heads"], self.config["num_key_value_heads"]
        length = len(queries)
        queries = self._rotate(queries.reshape(length, heads, -1).swapaxes(0, 1))
        keys = self._rotate(keys.reshape(length, shared, -1).swapaxes(0, 1))
        values = values.reshape(length, shared, -1).swapaxes(0, 1)
        keys, values = (np.repeat(each, heads // shared, axis=0) for each in (keys, values))
        scores = queries @ keys.swapaxes(1, 2) / np.sqrt(queries.shape[-1])
        scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
        mixed = np.exp(log_softmax(scores)) @ values
        return mixed.swapaxes(0, 1).reshape(length, -1)

    def _rotate(self, vectors):
        length, size = vectors.shape[1:]
        frequencies = self.config["rope_theta"] ** (-np.arange(0, size, 2) / size)
        angles = np.outer(np.arange(length), frequencies)
        first, second = np.split(vectors, 2, axis=-1)
        cos, sin = np.cos(angles), np.sin(angles)
        return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)

    def _norm(self, states, weight):
        mean = np.mean(np.square(states), axis=-1, keepdims=True)
        return states / np.sqrt(mean + self.config["rms_norm_eps"]) * weight

    def _weight(self, name):
        return self._file.get_tensor(f"{name}.weight").astype(np.float64)


def log_softmax(rows):
    shifted = rows - rows.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
