//! A model in a folder as Hugging Face lays it out: `config.json`, `tokenizer.json`, safetensors files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use safetensors::tensor::Metadata;
use serde_json::Value;

use super::{Model, ModelError, Pooling, Weights, name_of, read_text};
use crate::template::NamedTokens;
use crate::tensors::{MAX_HEADER_BYTES, TensorInfo, most_common_format};
use crate::tokenizer::Tokenizer;

pub(super) fn open(folder: &Path) -> Result<Model, ModelError> {
    let config = read_json(folder, "config.json")?
        .ok_or_else(|| ModelError::MissingFile { folder: folder.to_owned(), file: "`config.json`" })?;
    let damaged = |detail: &str| ModelError::Damaged { path: folder.join("config.json"), detail: detail.to_owned() };
    let architecture = config["architectures"][0].as_str().ok_or_else(|| damaged("it names no architecture"))?;
    let context_length = config["max_position_embeddings"].as_u64().and_then(|length| usize::try_from(length).ok());
    let context_length = context_length
        .filter(|&length| length > 0)
        .ok_or_else(|| damaged("it has no positive `max_position_embeddings`"))?;
    let tensors = read_weights(folder)?;
    let quantization = most_common_format(&tensors)
        .ok_or_else(|| ModelError::Damaged {
            path: folder.to_owned(),
            detail: "its weight files are empty".to_owned(),
        })?
        .to_owned();

    let generation = read_json(folder, "generation_config.json")?.unwrap_or_default();
    let tokenizer_config = read_json(folder, "tokenizer_config.json")?.unwrap_or_default();
    let path = folder.join("tokenizer.json");
    if !path.is_file() {
        return Err(ModelError::MissingFile { folder: folder.to_owned(), file: "`tokenizer.json`" });
    }
    let ids: BTreeSet<u32> =
        [&generation, &config].into_iter().flat_map(|json| token_ids(&json["eos_token_id"])).collect();
    let tokens = NamedTokens {
        bos: token_text(&tokenizer_config["bos_token"]),
        eos: token_text(&tokenizer_config["eos_token"]),
    };
    let tokenizer = Tokenizer::from_file(&path, ids)
        .map_err(|reason| ModelError::Tokenizer { path: folder.to_owned(), reason })?
        .with_end_of_sequence(tokens.eos.as_deref());
    let source = template_source(folder, &tokenizer_config)?;
    let template = Model::compile_template(folder, source.as_deref(), tokens.clone())?;
    Ok(Model {
        id: name_of(folder, ""),
        weights: Weights::Safetensors(folder.to_owned()),
        architecture: architecture.to_owned(),
        quantization,
        context_length,
        owned_by: None,
        description: None,
        card: None,
        tensors,
        tokenizer,
        tokens,
        template,
        pooling: pooling(folder)?,
    })
}

/// How the model makes embeddings: the modules that Sentence Transformers lays beside it.
fn pooling(folder: &Path) -> Result<Option<Pooling>, ModelError> {
    let Some(modules) = read_json(folder, "modules.json")? else { return Ok(None) };
    let modules = modules.as_array().map_or(&[] as &[Value], Vec::as_slice);
    let module = modules.iter().find(|module| module["type"].as_str().is_some_and(|kind| kind.ends_with(".Pooling")));
    let unsupported = |detail: &str| ModelError::Unsupported { path: folder.to_owned(), detail: detail.to_owned() };
    let path = module.and_then(|module| module["path"].as_str());
    let path = path.ok_or_else(|| unsupported("its `modules.json` has no module that pools"))?;
    // A name with a separator could lead out of the folder. Who runs the model opens the other modules, too.
    let mut paths = modules.iter().filter_map(|module| module["path"].as_str());
    if paths.any(|path| path.contains(['/', '\\']) || path.starts_with('.')) {
        return Err(unsupported("its `modules.json` names a folder that is not in it"));
    }
    let config = read_json(&folder.join(path), "config.json")?.unwrap_or_default();
    let modes = [
        ("pooling_mode_mean_tokens", Pooling::Mean),
        ("pooling_mode_cls_token", Pooling::Cls),
        ("pooling_mode_lasttoken", Pooling::Last),
    ];
    let set = config.as_object().into_iter().flatten();
    let set: Vec<&str> = set.filter(|(_, value)| **value == true).map(|(name, _)| name.as_str()).collect();
    let mut chosen = modes.into_iter().filter(|(name, _)| set.contains(name)).map(|(_, pooling)| pooling);
    let is_other = set.iter().any(|name| name.starts_with("pooling_mode_") && modes.iter().all(|mode| mode.0 != *name));
    match (chosen.next(), chosen.next()) {
        (Some(pooling), None) if !is_other => Ok(Some(pooling)),
        _ => Err(unsupported("it pools in a way that is not supported (known: mean, first token, last token)")),
    }
}

fn read_json(folder: &Path, name: &str) -> Result<Option<Value>, ModelError> {
    let path = folder.join(name);
    let Some(text) = read_text(&path)? else { return Ok(None) };
    let json = serde_json::from_str(&text);
    json.map(Some).map_err(|error| ModelError::Damaged { path, detail: error.to_string() })
}

/// One id, or a list of them.
fn token_ids(json: &Value) -> Vec<u32> {
    let ids = json.as_array().map_or_else(|| std::slice::from_ref(json), Vec::as_slice);
    ids.iter().filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect()
}

/// A token as its text, or as an object that holds it.
fn token_text(json: &Value) -> Option<String> {
    json.as_str().or_else(|| json["content"].as_str()).map(str::to_owned)
}

/// The template in its own file, else the one in `tokenizer_config.json` (of several, the one named `default`).
fn template_source(folder: &Path, tokenizer_config: &Value) -> Result<Option<String>, ModelError> {
    if let Some(source) = read_text(&folder.join("chat_template.jinja"))? {
        return Ok(Some(source));
    }
    let in_file = read_json(folder, "chat_template.json")?.unwrap_or_default();
    let candidates = [&in_file["chat_template"], &tokenizer_config["chat_template"]];
    Ok(candidates.into_iter().find_map(|json| match json {
        Value::String(source) => Some(source.clone()),
        Value::Array(named) => {
            let default = named.iter().find(|template| template["name"] == "default")?;
            default["template"].as_str().map(str::to_owned)
        }
        _ => None,
    }))
}

/// Checks that every weight file is there and whole, and reads what they hold.
fn read_weights(folder: &Path) -> Result<Vec<TensorInfo>, ModelError> {
    let mut tensors = Vec::new();
    for path in weight_files(folder)? {
        tensors.extend(read_header(&path)?);
    }
    Ok(tensors)
}

fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let Some(index) = read_json(folder, "model.safetensors.index.json")? else {
        let path = folder.join("model.safetensors");
        return if path.is_file() {
            Ok(vec![path])
        } else {
            Err(ModelError::MissingFile {
                folder: folder.to_owned(),
                file: "`model.safetensors`, nor an index of several",
            })
        };
    };
    let damaged = |detail: String| ModelError::Damaged { path: folder.join("model.safetensors.index.json"), detail };
    let map = index["weight_map"].as_object().ok_or_else(|| damaged("it has no `weight_map`".to_owned()))?;
    let names: Option<BTreeSet<&str>> = map.values().map(Value::as_str).collect();
    let names = names.ok_or_else(|| damaged("`weight_map` holds something other than file names".to_owned()))?;
    names
        .into_iter()
        .map(|name| {
            // A name with a separator could lead out of the folder.
            if name.contains(['/', '\\']) || !folder.join(name).is_file() {
                return Err(damaged(format!("it names `{name}`, which is not in the folder")));
            }
            Ok(folder.join(name))
        })
        .collect()
}

/// The tensors of one file, whose header must match its length.
fn read_header(path: &Path) -> Result<Vec<TensorInfo>, ModelError> {
    let io = |reason| ModelError::Io { path: path.to_owned(), reason };
    let damaged = |detail: String| ModelError::Damaged { path: path.to_owned(), detail };
    let mut file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(|_| damaged("it is too short for a safetensors file".to_owned()))?;
    let header = u64::from_le_bytes(size);
    if header > length.saturating_sub(8) {
        return Err(damaged("its header does not fit the file".to_owned()));
    }
    if header > MAX_HEADER_BYTES {
        return Err(damaged(format!("its header is longer than {} MB", MAX_HEADER_BYTES / 1_000_000)));
    }
    let mut bytes = vec![0; header as usize];
    file.read_exact(&mut bytes).map_err(io)?;
    let metadata: Metadata = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    let data = metadata.data_len() as u64;
    let held = length - 8 - header;
    if data != held {
        return Err(damaged(format!("its tensors need {data} bytes and it holds {held}")));
    }
    let tensors = metadata.tensors().into_iter().map(|(name, info)| TensorInfo {
        name,
        shape: info.shape.iter().map(|&size| size as u64).collect(),
        // The header was checked against itself: neither overflows.
        elements: info.shape.iter().product::<usize>() as u64,
        bytes: (info.data_offsets.1 - info.data_offsets.0) as u64,
        format: format!("{:?}", info.dtype),
    });
    Ok(tensors.collect())
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::path::Path;

    use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
    use serde_json::json;
    use tempfile::TempDir;

    use crate::Conversation;

    use super::super::{Model, Pooling};
    use crate::scripted::byte_tokenizer_json;

    /// A folder that passes every check, though its one tensor is no model.
    pub(in crate::model) fn folder() -> TempDir {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let config =
            json!({"architectures": ["MistralForCausalLM"], "max_position_embeddings": 128, "eos_token_id": [7, 8]});
        fs::write(at("config.json"), config.to_string()).unwrap();
        fs::write(at("tokenizer.json"), byte_tokenizer_json().to_string()).unwrap();
        let tokens = json!({"bos_token": {"content": "<|im_start|>"}, "eos_token": "<|im_end|>",
            "chat_template": [{"name": "tool_use", "template": "x"}, {"name": "default", "template": "{{ bos_token }}y"}]});
        fs::write(at("tokenizer_config.json"), tokens.to_string()).unwrap();
        let tensor = TensorView::new(Dtype::BF16, vec![2, 2], &[0; 8]).unwrap();
        serialize_to_file([("w", tensor)], None, &at("model.safetensors")).unwrap();
        folder
    }

    #[test]
    fn a_folder_is_described() {
        let folder = folder();
        let model = Model::open(folder.path()).unwrap();
        assert_eq!((model.context_length, model.quantization.as_str()), (128, "BF16"));
        assert_eq!(model.template.unwrap().render(&Conversation::default()).unwrap(), "<|im_start|>y");
        for id in [7, 8, model.tokenizer.token_id("<|im_end|>").unwrap()] {
            assert!(model.tokenizer.is_end_of_sequence(id));
        }
    }

    fn refusal(change: impl FnOnce(&Path)) -> String {
        let folder = folder();
        change(folder.path());
        Model::open(folder.path()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(refusal(|folder| fs::remove_file(folder.join("config.json")).unwrap()).contains("no `config.json`"));
        assert!(
            refusal(|folder| fs::remove_file(folder.join("tokenizer.json")).unwrap()).contains("no `tokenizer.json`")
        );
        assert!(
            refusal(|folder| fs::remove_file(folder.join("model.safetensors")).unwrap()).contains("model.safetensors")
        );
        assert!(refusal(|folder| fs::write(folder.join("config.json"), "{").unwrap()).contains("config.json"));
        assert!(refusal(|folder| fs::write(folder.join("tokenizer.json"), "{}").unwrap()).contains("tokenizer"));
        let header = br#"{"a": 7}"#;
        let odd = [&(header.len() as u64).to_le_bytes()[..], header].concat();
        assert!(
            refusal(|folder| fs::write(folder.join("model.safetensors"), odd).unwrap()).contains("model.safetensors")
        );
        let index = r#"{"weight_map": {"w": "../../outside.safetensors"}}"#;
        assert!(
            refusal(|folder| fs::write(folder.join("model.safetensors.index.json"), index).unwrap())
                .contains("outside")
        );
        assert!(Model::open(Path::new("nowhere")).unwrap_err().to_string().contains("no model at `nowhere`"));
    }

    #[test]
    fn how_an_embedding_model_pools_is_in_its_modules() {
        let pools = |path: &str, config: &str| {
            let folder = folder();
            let modules =
                format!(r#"[{{"type": "a.Transformer", "path": ""}}, {{"type": "a.Pooling", "path": "{path}"}}]"#);
            fs::write(folder.path().join("modules.json"), modules).unwrap();
            fs::create_dir(folder.path().join("1_Pooling")).unwrap();
            fs::write(folder.path().join("1_Pooling/config.json"), config).unwrap();
            Model::open(folder.path()).map(|model| model.pooling).map_err(|error| error.to_string())
        };
        let last = r#"{"pooling_mode_cls_token": false, "pooling_mode_lasttoken": true, "include_prompt": true}"#;
        assert_eq!(pools("1_Pooling", last).unwrap(), Some(Pooling::Last));
        for other in [
            r#"{"pooling_mode_max_tokens": true}"#,
            r#"{"pooling_mode_mean_tokens": true, "pooling_mode_lasttoken": true}"#,
            "{}",
        ] {
            assert!(pools("1_Pooling", other).unwrap_err().contains("not supported"), "{other}");
        }
        assert!(pools("../elsewhere", last).unwrap_err().contains("not in it"));
        assert_eq!(Model::open(folder().path()).unwrap().pooling, None);
    }

    #[test]
    fn the_index_says_which_files_count() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        fs::rename(at("model.safetensors"), at("a.safetensors")).unwrap();
        fs::copy(at("a.safetensors"), at("consolidated.safetensors")).unwrap();
        fs::write(at("model.safetensors.index.json"), r#"{"weight_map": {"w": "a.safetensors"}}"#).unwrap();
        let [tensor] = &Model::open(folder.path()).unwrap().tensors[..] else { panic!("one tensor counts") };
        assert_eq!((tensor.name.as_str(), &tensor.shape[..], tensor.elements, tensor.bytes), ("w", &[2, 2][..], 4, 8));
    }

    #[test]
    fn every_truncation_of_the_weights_is_an_error() {
        let folder = folder();
        let path = folder.path().join("model.safetensors");
        let bytes = fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(Model::open(folder.path()).is_err(), "{length} of {} bytes were accepted", bytes.len());
        }
    }
}
