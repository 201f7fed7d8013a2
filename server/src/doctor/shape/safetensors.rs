//! The dimensions of a safetensors folder: `config.json`, and the header of each weight file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use super::{Shape, Tensor, kv_values};

pub(super) fn read(folder: &Path) -> anyhow::Result<Shape> {
    let unknown = || format!("the size of `{}` is unknown", folder.display());
    let config: Value = json(&folder.join("config.json")).with_context(unknown)?;
    let mut tensors = Vec::new();
    for name in weight_files(folder)? {
        tensors.extend(header(&folder.join(&name)).with_context(|| format!("`{name}` cannot be read"))?);
    }
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

fn json(path: &Path) -> anyhow::Result<Value> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

/// Not every file that is there: some folders hold the weights twice.
fn weight_files(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let index = folder.join("model.safetensors.index.json");
    if !index.exists() {
        return Ok(BTreeSet::from(["model.safetensors".to_owned()]));
    }
    let index = json(&index)?;
    let names = index["weight_map"].as_object().into_iter().flat_map(|map| map.values());
    Ok(names.filter_map(|name| name.as_str().map(str::to_owned)).collect())
}

#[derive(Deserialize)]
struct Entry {
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The table at the beginning of a file: <https://github.com/huggingface/safetensors#format>.
fn header(path: &Path) -> anyhow::Result<Vec<Tensor>> {
    let mut file = File::open(path)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let mut bytes = Vec::new();
    file.take(u64::from_le_bytes(length)).read_to_end(&mut bytes)?;
    let mut entries: BTreeMap<String, Value> = serde_json::from_slice(&bytes)?;
    entries.remove("__metadata__");
    let tensor = |(name, entry): (String, Value)| {
        let Entry { shape, data_offsets: (start, end) } = serde_json::from_value(entry)?;
        let elements = shape.iter().fold(1, |product: u64, &size| product.saturating_mul(size));
        Ok(Tensor { name, dimensions: shape.len(), elements, bytes: end.saturating_sub(start) })
    };
    entries.into_iter().map(tensor).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use temp_dir::TempDir;

    use super::*;

    fn folder(config: &Value, file: &str, header: &Value) -> TempDir {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.child("config.json"), config.to_string()).unwrap();
        let header = header.to_string();
        let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 96]].concat();
        std::fs::write(folder.child(file), bytes).unwrap();
        folder
    }

    fn config() -> Value {
        json!({"num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 64})
    }

    fn tensors() -> Value {
        json!({
            "__metadata__": {"format": "pt"},
            "model.embed_tokens.weight": {"dtype": "BF16", "shape": [4, 8], "data_offsets": [0, 64]},
            "lm_head.weight": {"dtype": "BF16", "shape": [2, 8], "data_offsets": [64, 96]},
        })
    }

    #[test]
    fn dimensions_are_read() {
        let shape = read(folder(&config(), "model.safetensors", &tensors()).path()).unwrap();
        assert_eq!(shape.kv_values, 3 * 2 * (16 + 16));
        assert_eq!((shape.embedding.elements, shape.embedding.bytes), (32, 64));
        assert_eq!((shape.matrices.elements, shape.matrices.bytes), (16, 32));
        assert!(!shape.is_tied && !shape.is_quantized);
    }

    #[test]
    fn the_index_says_which_files_count() {
        let folder = folder(&config(), "a.safetensors", &tensors());
        std::fs::copy(folder.child("a.safetensors"), folder.child("consolidated.safetensors")).unwrap();
        let index =
            json!({"weight_map": {"lm_head.weight": "a.safetensors", "model.embed_tokens.weight": "a.safetensors"}});
        std::fs::write(folder.child("model.safetensors.index.json"), index.to_string()).unwrap();
        assert_eq!(read(folder.path()).unwrap().embedding.elements, 32);
    }

    #[test]
    fn what_is_odd_is_said_or_harmless() {
        let wrong = |config: &Value, header: &Value| {
            let folder = folder(config, "model.safetensors", header);
            format!("{:#}", read(folder.path()).unwrap_err())
        };
        assert!(wrong(&json!({}), &tensors()).contains("num_hidden_layers"));
        assert!(wrong(&json!([]), &tensors()).contains("num_hidden_layers"));
        assert!(wrong(&config(), &json!({"a": 7})).contains("model.safetensors"));
        let mut vast = config();
        vast["num_hidden_layers"] = json!(u64::MAX);
        vast["num_attention_heads"] = json!(0);
        vast["num_local_experts"] = json!(0);
        vast["num_experts_per_tok"] = json!(0);
        assert_eq!(read(folder(&vast, "model.safetensors", &tensors()).path()).unwrap().kv_values, 0);
    }
}
