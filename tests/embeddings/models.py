"""Small embedding models with random weights, in the forms that real ones come in: a BERT in GGUF, which reads in both
directions and takes the mean, and a Qwen3 in GGUF and in safetensors, which reads forward and takes the last token.

A model is its dimensions and its weights by the names of Hugging Face; `reference.py` computes with the same.
"""

import io
import json

import gguf
import numpy as np
import sentencepiece
from safetensors.numpy import save_file
from sentencepiece import sentencepiece_model_pb2

WIDTH, HEADS, KEY_HEADS, LAYERS, INNER, CONTEXT = 64, 4, 2, 2, 128, 64
BASE, EPSILON = 10000.0, 1e-6

# The special tokens where BERT has them, whole words, and what words go on with.
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["le", "la", "resultat", "net", "tres", "orerie", "charges", "produit", "bilan", "passif", "actif", ",", "."]
PIECES = ["##s", "##orerie", "##if", "##if", "##net"]
# Vocabularies without capitals have some that no text has, such as this one.
VOCABULARY = [*SPECIAL, *WORDS, *dict.fromkeys(PIECES), "ℝ"]


def random(seed):
    generator = np.random.default_rng(seed)
    return lambda *shape, scale=0.3, mean=0.0: (mean + scale * generator.standard_normal(shape)).astype(np.float32)


def bert_weights(vocabulary=len(VOCABULARY)):
    make = random(1)
    weights = {
        "token_embd.weight": make(vocabulary, WIDTH, scale=1),
        "position_embd.weight": make(CONTEXT, WIDTH),
        "token_types.weight": make(2, WIDTH),
        "token_embd_norm.weight": make(WIDTH, mean=1, scale=0.1),
        "token_embd_norm.bias": make(WIDTH, scale=0.1),
    }
    for layer in range(LAYERS):
        sizes = {"attn_q": (WIDTH, WIDTH), "attn_k": (WIDTH, WIDTH), "attn_v": (WIDTH, WIDTH)}
        sizes |= {"attn_output": (WIDTH, WIDTH), "ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER)}
        for name, (out, into) in sizes.items():
            weights[f"blk.{layer}.{name}.weight"] = make(out, into, scale=0.2)
            weights[f"blk.{layer}.{name}.bias"] = make(out, scale=0.1)
        for name in ("attn_output_norm", "layer_output_norm"):
            weights[f"blk.{layer}.{name}.weight"] = make(WIDTH, mean=1, scale=0.1)
            weights[f"blk.{layer}.{name}.bias"] = make(WIDTH, scale=0.1)
    return weights


def phantom(token):
    """As llama.cpp's conversion spells a piece of a word."""
    if token in SPECIAL:
        return token
    return token.removeprefix("##") if token.startswith("##") else "\u2581" + token


def bert_writer(path):
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(EPSILON)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_token_type_count(2)
    return writer


def write_bert(path, weights):
    writer = bert_writer(path)
    writer.add_tokenizer_model("bert")
    writer.add_token_list([phantom(token) for token in VOCABULARY])
    control = gguf.TokenType.CONTROL
    writer.add_token_types([control if token in SPECIAL else gguf.TokenType.NORMAL for token in VOCABULARY])
    for add, token in [
        (writer.add_pad_token_id, "[PAD]"),
        (writer.add_unk_token_id, "[UNK]"),
        # What today's converters write of `[CLS]`; older ones had a key of its own.
        (writer.add_bos_token_id, "[CLS]"),
        (writer.add_sep_token_id, "[SEP]"),
        (writer.add_mask_token_id, "[MASK]"),
    ]:
        add(VOCABULARY.index(token))
    write(writer, weights)


def train_sentencepiece(lines):
    """A tokenizer of the kind that XLM-RoBERTa has, and the multilingual models that are made of it."""
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=trained,
        vocab_size=300,
        hard_vocab_limit=False,
        model_type="unigram",
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())


def write_xlm_roberta(path, weights, tokenizer):
    proto = sentencepiece_model_pb2.ModelProto.FromString(tokenizer.serialized_model_proto())
    writer = bert_writer(path)
    writer.add_tokenizer_model("t5")
    writer.add_token_list([piece.piece for piece in proto.pieces])
    writer.add_token_scores([piece.score for piece in proto.pieces])
    writer.add_token_types([piece.type for piece in proto.pieces])
    writer.add_add_space_prefix(proto.normalizer_spec.add_dummy_prefix)
    writer.add_remove_extra_whitespaces(proto.normalizer_spec.remove_extra_whitespaces)
    writer.add_precompiled_charsmap(proto.normalizer_spec.precompiled_charsmap)
    writer.add_unk_token_id(tokenizer.unk_id())
    writer.add_bos_token_id(tokenizer.bos_id())
    writer.add_eos_token_id(tokenizer.eos_id())
    writer.add_sep_token_id(tokenizer.eos_id())
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)
    write(writer, weights)


# What GGUF calls a tensor of Qwen3, and what Hugging Face calls it.
QWEN_OUTER = {"token_embd": "embed_tokens", "output_norm": "norm"}
QWEN_INNER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
END = "<|endoftext|>"
# A vocabulary has merges. This one joins two bytes that no text has.
MERGED = "ĀĀ"
TOKENS = 258


def byte_characters():
    """The character that stands for each byte in a byte-level vocabulary, as in GPT-2."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def qwen_weights():
    make = random(2)
    size = WIDTH // HEADS
    weights = {"token_embd.weight": make(TOKENS, WIDTH, scale=1), "output_norm.weight": make(WIDTH, mean=1, scale=0.1)}
    for layer in range(LAYERS):
        shapes = {
            "attn_q": (HEADS * size, WIDTH),
            "attn_k": (KEY_HEADS * size, WIDTH),
            "attn_v": (KEY_HEADS * size, WIDTH),
            "attn_output": (WIDTH, HEADS * size),
            "ffn_gate": (INNER, WIDTH),
            "ffn_up": (INNER, WIDTH),
            "ffn_down": (WIDTH, INNER),
        }
        for name, shape in shapes.items():
            weights[f"blk.{layer}.{name}.weight"] = make(*shape, scale=0.2)
        for name, width in [("attn_norm", WIDTH), ("ffn_norm", WIDTH), ("attn_q_norm", size), ("attn_k_norm", size)]:
            weights[f"blk.{layer}.{name}.weight"] = make(width, mean=1, scale=0.1)
    return weights


def write_qwen_gguf(path, weights):
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_key_length(WIDTH // HEADS)
    writer.add_value_length(WIDTH // HEADS)
    writer.add_rope_freq_base(BASE)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_pooling_type(gguf.PoolingType.LAST)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*byte_characters(), END, MERGED])
    kinds = [gguf.TokenType.NORMAL] * TOKENS
    kinds[256] = gguf.TokenType.CONTROL
    writer.add_token_types(kinds)
    writer.add_token_merges(["Ā Ā"])
    writer.add_eos_token_id(256)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(True)
    write(writer, weights)


def write_qwen_folder(folder, weights):
    """As Sentence Transformers lays one out."""
    named = {}
    for name, weight in weights.items():
        *block, short, _ = name.split(".")
        place = f"layers.{block[1]}.{QWEN_INNER[short]}" if block else QWEN_OUTER[short]
        named[f"{place}.weight"] = weight
    (folder / "1_Pooling").mkdir(parents=True)
    save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "vocab_size": TOKENS,
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_HEADS,
        "head_dim": WIDTH // HEADS,
        "hidden_act": "silu",
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": EPSILON,
        "rope_theta": BASE,
        "sliding_window": None,
        "max_window_layers": LAYERS,
        "use_sliding_window": False,
        "tie_word_embeddings": True,
        "eos_token_id": 256,
    }
    end = {"id": 256, "content": END, "special": True}
    end |= dict.fromkeys(["single_word", "lstrip", "rstrip", "normalized"], False)
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    tokenizer = {
        "version": "1.0",
        "added_tokens": [end],
        "pre_tokenizer": level,
        "decoder": level,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": END, "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {END: {"id": END, "ids": [256], "tokens": [END]}},
        },
        "model": {
            "type": "BPE",
            "vocab": {token: place for place, token in enumerate([*byte_characters(), END, MERGED])},
            "merges": [["Ā", "Ā"]],
        },
    }
    modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
    pooling = {f"pooling_mode_{mode}": mode == "lasttoken" for mode in modes}
    pooling |= {"word_embedding_dimension": WIDTH, "include_prompt": True}
    modules = [("0", "", "Transformer"), ("1", "1_Pooling", "Pooling"), ("2", "2_Normalize", "Normalize")]
    modules = [
        {"idx": int(name), "name": name, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for name, path, kind in modules
    ]
    for name, content in {
        "config.json": config,
        "tokenizer.json": tokenizer,
        "tokenizer_config.json": {"eos_token": END},
        "1_Pooling/config.json": pooling,
        "modules.json": modules,
    }.items():
        (folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def write(writer, weights):
    for name, weight in weights.items():
        writer.add_tensor(name, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
