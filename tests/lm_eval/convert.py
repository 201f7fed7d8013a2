"""The checkpoint of the tests as an F32 safetensors folder, in Hugging Face's layout.

    python convert.py CHECKPOINT.gguf FOLDER

mistral.rs's kernels for quantized weights round activations to 8 bits, so log-likelihoods can only be compared to
1e-3 on weights that are not quantized. These are the quantized weights' own values: another model than the original,
but the same one for the server and for reference.py. A folder that is whole already is left as it is.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader, dequantize
from safetensors.numpy import save_file

# What GGUF calls a tensor, and what Hugging Face calls it.
OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
INNER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL = 3


def main(checkpoint, folder):
    if (folder / "model.safetensors").is_file():
        return
    # Beside the folder, so that the last step is a rename: the folder is there whole or not at all.
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    reader = GGUFReader(checkpoint)
    values = {name: field.contents() for name, field in reader.fields.items()}
    for name, content in {
        "config.json": config(values),
        "generation_config.json": {"bos_token_id": 1, "eos_token_id": values["tokenizer.ggml.eos_token_id"]},
        "tokenizer.json": tokenizer(values),
        "tokenizer_config.json": tokenizer_config(values),
    }.items():
        (unfinished / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    save_file(weights(reader, values), unfinished / "model.safetensors", metadata={"format": "pt"})
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


def config(values):
    assert values["general.architecture"] == "llama", "the names and the permutation below are those of Llama"
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "float32",
        "hidden_act": "silu",
        "hidden_size": values["llama.embedding_length"],
        "intermediate_size": values["llama.feed_forward_length"],
        "num_hidden_layers": values["llama.block_count"],
        "num_attention_heads": values["llama.attention.head_count"],
        "num_key_value_heads": values["llama.attention.head_count_kv"],
        "head_dim": values["llama.rope.dimension_count"],
        "rms_norm_eps": values["llama.attention.layer_norm_rms_epsilon"],
        "rope_theta": values["llama.rope.freq_base"],
        "rope_scaling": None,
        "max_position_embeddings": values["llama.context_length"],
        "vocab_size": values["llama.vocab_size"],
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": values["tokenizer.ggml.bos_token_id"],
        "eos_token_id": values["tokenizer.ggml.eos_token_id"],
    }


def weights(reader, values):
    heads = {"attn_q": values["llama.attention.head_count"], "attn_k": values["llama.attention.head_count_kv"]}
    tensors = {}
    for tensor in reader.tensors:
        data = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        kind = tensor.name.removesuffix(".weight")
        if kind.startswith("blk."):
            _, layer, kind = kind.split(".")
            name = f"model.layers.{layer}.{INNER[kind]}.weight"
        else:
            name = f"{OUTER[kind]}.weight"
        tensors[name] = halves(data, heads[kind]) if kind in heads else np.ascontiguousarray(data)
    assert "lm_head.weight" not in tensors, "config.json says that the embeddings are tied"
    return tensors


def halves(data, heads):
    """GGUF's Llama rotates neighbouring rows of a head together, Hugging Face's the rows half a head apart."""
    rows, columns = data.shape
    pairs = data.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows, columns)


def tokenizer(values):
    assert (values["tokenizer.ggml.model"], values["tokenizer.ggml.pre"]) == ("gpt2", "smollm")
    tokens = values["tokenizer.ggml.tokens"]
    control = [id for id, kind in enumerate(values["tokenizer.ggml.token_type"]) if kind == CONTROL]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": id, "content": tokens[id], **flags} for id in control],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
        },
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: id for id, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in values["tokenizer.ggml.merges"]],
        },
    }


def tokenizer_config(values):
    def token(name):
        return values["tokenizer.ggml.tokens"][values[f"tokenizer.ggml.{name}_token_id"]]

    return {
        "tokenizer_class": "GPT2Tokenizer",
        "add_prefix_space": False,
        "bos_token": token("bos"),
        "eos_token": token("eos"),
        "pad_token": token("padding"),
        "chat_template": values["tokenizer.chat_template"],
        "clean_up_tokenization_spaces": False,
        "model_max_length": values["llama.context_length"],
    }


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
