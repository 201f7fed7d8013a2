//! The dimensions of a safetensors folder: its `config.json`.

use std::path::Path;

use anyhow::Context;
use serde_json::Value;
use zyron_engine::TensorInfo;

use super::{Shape, kv_values};

pub(super) fn read(folder: &Path, tensors: &[TensorInfo]) -> anyhow::Result<Shape> {
    let unknown = || format!("the size of `{}` is unknown", folder.display());
    let config = std::fs::read(folder.join("config.json")).with_context(unknown)?;
    let config: Value = serde_json::from_slice(&config).with_context(unknown)?;
    let number = |keys: &[&str]| keys.iter().find_map(|key| config[*key].as_u64());
    let experts =
        number(&["num_local_experts", "num_experts", "n_routed_experts"]).zip(number(&["num_experts_per_tok"]));
    let used_experts = experts.map(|(all, used)| used as f64 / all as f64);
    let is_quantized = config["quantization_config"].is_object();
    Ok(Shape::new(cache(&config).with_context(unknown)?, used_experts, is_quantized, tensors))
}

/// Numbers that a token leaves in the cache.
fn cache(config: &Value) -> anyhow::Result<u64> {
    let number = |key: &str| config[key].as_u64().with_context(|| format!("`config.json` has no usable `{key}`"));
    let (layers, heads) = (number("num_hidden_layers")?, number("num_attention_heads")?);
    let head = match number("head_dim") {
        Ok(head) => head,
        Err(_) => number("hidden_size")?.checked_div(heads).unwrap_or(0),
    };
    let kv_heads = number("num_key_value_heads").unwrap_or(heads);
    Ok(kv_values(layers.saturating_mul(kv_heads), head, head))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    fn read_config(config: &Value) -> anyhow::Result<Shape> {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let tensor = |name: &str, rows: u64, columns: u64| TensorInfo {
            name: name.to_owned(),
            shape: vec![rows, columns],
            elements: rows * columns,
            bytes: rows * columns * 2,
            format: "BF16".to_owned(),
        };
        read(folder.path(), &[tensor("model.embed_tokens.weight", 4, 8), tensor("lm_head.weight", 2, 8)])
    }

    fn config() -> Value {
        json!({"num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 64})
    }

    #[test]
    fn dimensions_are_read() {
        let shape = read_config(&config()).unwrap();
        assert_eq!(shape.kv_values, 3 * 2 * (16 + 16));
        assert_eq!((shape.embedding.elements, shape.embedding.bytes), (32, 64));
        assert_eq!((shape.matrices.elements, shape.matrices.bytes), (16, 32));
        assert!(!shape.is_tied && !shape.is_quantized);
    }

    #[test]
    fn what_is_odd_is_said_or_harmless() {
        let wrong = |config: &Value| format!("{:#}", read_config(config).unwrap_err());
        assert!(wrong(&json!({})).contains("num_hidden_layers"));
        assert!(wrong(&json!([])).contains("num_hidden_layers"));
        let mut vast = config();
        vast["num_hidden_layers"] = json!(u64::MAX);
        vast["num_attention_heads"] = json!(0);
        vast["num_local_experts"] = json!(0);
        vast["num_experts_per_tok"] = json!(0);
        assert_eq!(read_config(&vast).unwrap().kv_values, 0);
    }
}
