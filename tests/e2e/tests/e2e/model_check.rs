//! `zyron model check`, run as somebody with a model of their own would.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
use serde_json::{Value, json};
use tempfile::TempDir;
use zyron_engine::scripted::byte_tokenizer_json;

use crate::binary::{checkpoint, zyron};

fn check(path: &Path, more: &[&str]) -> Output {
    Command::new(zyron()).args(["model", "check"]).arg(path).args(more).output().unwrap()
}

/// What is found, with its level.
fn findings(path: &Path) -> Vec<(String, String)> {
    let output = check(path, &["--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = said["findings"].as_array().unwrap();
    findings.iter().map(|finding| (text(finding, "level"), text(finding, "text"))).collect()
}

fn problem(path: &Path) -> String {
    assert!(!check(path, &[]).status.success());
    let problems: Vec<String> =
        findings(path).into_iter().filter(|(level, _)| level == "problem").map(|(_, text)| text).collect();
    assert!(!problems.is_empty());
    problems.join("\n")
}

/// A Llama model of one layer, whose tensors `change` may change.
fn folder(change: impl FnOnce(&mut Vec<(String, Vec<usize>)>)) -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, value: &Value| fs::write(folder.path().join(name), value.to_string()).unwrap();
    write(
        "config.json",
        &json!({
            "architectures": ["LlamaForCausalLM"], "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "eos_token_id": 3,
            "rms_norm_eps": 1e-5, "tie_word_embeddings": false,
        }),
    );
    let tokenizer = byte_tokenizer_json();
    let rows =
        tokenizer["model"]["vocab"].as_object().unwrap().len() + tokenizer["added_tokens"].as_array().unwrap().len();
    write("tokenizer.json", &tokenizer);
    write("tokenizer_config.json", &json!({"chat_template": "{{ messages[0].content }}"}));
    let of_layer = [
        ("input_layernorm", vec![8]),
        ("self_attn.q_proj", vec![8, 8]),
        ("self_attn.k_proj", vec![4, 8]),
        ("self_attn.v_proj", vec![4, 8]),
        ("self_attn.o_proj", vec![8, 8]),
        ("post_attention_layernorm", vec![8]),
        ("mlp.gate_proj", vec![16, 8]),
        ("mlp.up_proj", vec![16, 8]),
        ("mlp.down_proj", vec![8, 16]),
    ];
    let mut tensors: Vec<(String, Vec<usize>)> =
        of_layer.into_iter().map(|(name, shape)| (format!("model.layers.0.{name}.weight"), shape)).collect();
    tensors.push(("model.norm.weight".to_owned(), vec![8]));
    tensors.push(("model.embed_tokens.weight".to_owned(), vec![rows, 8]));
    tensors.push(("lm_head.weight".to_owned(), vec![rows, 8]));
    change(&mut tensors);
    let zeros = vec![0; tensors.iter().map(|(_, shape)| shape.iter().product::<usize>() * 4).max().unwrap()];
    let views = tensors.iter().map(|(name, shape)| {
        let bytes = &zeros[..shape.iter().product::<usize>() * 4];
        (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    serialize_to_file(views, None, &folder.path().join("model.safetensors")).unwrap();
    folder
}

#[test]
fn a_good_model_is_good() {
    let output = check(&checkpoint(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !text.contains("PROBLEM"), "{text}");
    for part in ["272 tensors", "30 layers", "<|im_end|>", "knows no tools", "verdict"] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
    let folder = folder(|_| {});
    let found = findings(folder.path());
    assert!(found.iter().all(|(level, _)| level != "problem"), "{found:?}");
    assert!(found.iter().any(|(_, text)| text.contains("README.md")));
}

#[test]
fn what_is_missing_or_of_another_size_is_named() {
    let without = folder(|tensors| tensors.retain(|(name, _)| !name.contains("up_proj") && name != "lm_head.weight"));
    let said = problem(without.path());
    assert!(said.contains("model.layers.0.mlp.up_proj.weight") && said.contains("lm_head.weight"), "{said}");
    let wrong = folder(|tensors| tensors[2].1 = vec![8, 8]);
    assert!(problem(wrong.path()).contains("`model.layers.0.self_attn.k_proj.weight` is [8, 8] and not [4, 8]"));
    let other = folder(|tensors| tensors.iter_mut().rev().take(2).for_each(|(_, shape)| shape[0] = 7));
    assert!(problem(other.path()).contains("without resizing the embedding"));
}

#[test]
fn a_configuration_that_cannot_be_is_no_panic() {
    for (key, value) in [
        ("num_hidden_layers", json!(u64::MAX)),
        ("num_key_value_heads", json!(5)),
        ("num_attention_heads", json!(0)),
        ("hidden_size", json!("many")),
        ("intermediate_size", json!(-1)),
    ] {
        let folder = folder(|_| {});
        let path = folder.path().join("config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        config[key] = value;
        fs::write(&path, config.to_string()).unwrap();
        problem(folder.path());
    }
}

#[test]
fn what_is_no_model_yet_is_told_what_to_do() {
    for (file, advice) in
        [("model.nemo", "checkpoint of NeMo"), ("pytorch_model.bin", "safetensors"), ("mine.gguf", "name one of them")]
    {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(file), "").unwrap();
        assert!(findings(folder.path()).iter().any(|(_, text)| text.contains(advice)), "{file}");
    }
}
