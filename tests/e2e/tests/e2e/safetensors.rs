//! Safetensors folders, with models small enough to be made here: random weights in the real layout.

use std::collections::BTreeMap;
use std::fs;

use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
use serde_json::json;
use tempfile::TempDir;
use zyron_engine::scripted::byte_tokenizer_json;

use crate::binary::refusal;
use crate::real_model::RealServer;

const VOCABULARY: usize = 258;
/// A multiple of 256, as the K-quants want.
const HIDDEN: usize = 256;
const INTERMEDIATE: usize = 512;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const LAYERS: usize = 2;

/// BF16 bytes of small numbers that look random.
fn weights(count: usize, seed: &mut u32) -> Vec<u8> {
    let next = || {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let value = (*seed >> 8) as f32 / (1 << 24) as f32 * 0.2 - 0.1;
        ((value.to_bits() >> 16) as u16).to_le_bytes()
    };
    std::iter::repeat_with(next).take(count).flatten().collect()
}

fn make(architecture: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let config = json!({
        "architectures": [architecture], "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "num_hidden_layers": LAYERS,
        "vocab_size": VOCABULARY, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": false, "sliding_window": null, "torch_dtype": "bfloat16",
        "bos_token_id": 256, "eos_token_id": 257, "model_type": architecture.trim_end_matches("ForCausalLM").to_lowercase(),
    });
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    fs::write(folder.path().join("tokenizer.json"), byte_tokenizer_json().to_string()).unwrap();
    let template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}";
    let tokenizer = json!({"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "chat_template": template});
    fs::write(folder.path().join("tokenizer_config.json"), tokenizer.to_string()).unwrap();

    let head = HIDDEN / HEADS;
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
        ("model.norm.weight".to_owned(), vec![HIDDEN]),
        ("lm_head.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
    ];
    for layer in 0..LAYERS {
        let mut add =
            |name: &str, shape: Vec<usize>| shapes.push((format!("model.layers.{layer}.{name}.weight"), shape));
        add("self_attn.q_proj", vec![HEADS * head, HIDDEN]);
        add("self_attn.k_proj", vec![KV_HEADS * head, HIDDEN]);
        add("self_attn.v_proj", vec![KV_HEADS * head, HIDDEN]);
        add("self_attn.o_proj", vec![HIDDEN, HEADS * head]);
        add("mlp.gate_proj", vec![INTERMEDIATE, HIDDEN]);
        add("mlp.up_proj", vec![INTERMEDIATE, HIDDEN]);
        add("mlp.down_proj", vec![HIDDEN, INTERMEDIATE]);
        add("input_layernorm", vec![HIDDEN]);
        add("post_attention_layernorm", vec![HIDDEN]);
    }
    let mut seed = 1;
    let data: BTreeMap<String, (Vec<usize>, Vec<u8>)> = shapes
        .into_iter()
        .map(|(name, shape)| (name, (shape.clone(), weights(shape.iter().product(), &mut seed))))
        .collect();
    let views =
        data.iter().map(|(name, (shape, bytes))| (name, TensorView::new(Dtype::BF16, shape.clone(), bytes).unwrap()));
    serialize_to_file(views, None, &folder.path().join("model.safetensors")).unwrap();
    folder
}

async fn answers(folder: &TempDir, arguments: &[&str]) -> String {
    let path = folder.path().to_str().unwrap();
    let server = RealServer::start(&[&["--model", path, "--model-id", "tiny"], arguments].concat()).await;
    assert_eq!(server.model, "tiny");
    let answer = server.chat("a", json!({"temperature": 0, "max_tokens": 12, "logit_bias": {"257": -100}})).await;
    assert_eq!(answer["usage"]["completion_tokens"], 12, "{answer}");
    server.terminate();
    answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn mistral_and_llama_folders_are_served_at_each_precision() {
    let mistral = make("MistralForCausalLM");
    assert_eq!(answers(&mistral, &[]).await, answers(&mistral, &["--dtype", "f32", "--engine", "mistralrs"]).await);
    answers(&mistral, &["--dtype", "f16"]).await;
    for isq in ["q4k", "q5k", "q6k", "q8_0"] {
        answers(&mistral, &["--isq", isq]).await;
    }
    answers(&make("LlamaForCausalLM"), &[]).await;
}

#[test]
fn a_folder_that_cannot_be_served_is_said() {
    let folder = make("MistralForCausalLM");
    let path = folder.path().to_str().unwrap();
    assert!(refusal(&["--model", path, "--isq", "q99"]).contains("`isq = q99` is not a quantization format"));
    let weights = folder.path().join("model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() - 2]).unwrap();
    assert!(refusal(&["--model", path]).contains("is damaged"));
    fs::write(&weights, bytes).unwrap();
    let unknown = make("KlingonForCausalLM");
    assert!(refusal(&["--model", unknown.path().to_str().unwrap()]).contains("`KlingonForCausalLM` is not supported"));
}
