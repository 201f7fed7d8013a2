//! Damaged files and files that lie: each is an error or a model, never a panic, an endless wait or an absurd allocation.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::gguf_file::tests::{entries, sentence_piece_entries, strings, unigram_entries, word_piece_entries};
use super::safetensors_folder::tests::folder;
use super::{Model, ModelError};
use crate::Conversation;
use crate::gguf::Value;
use crate::gguf::tests::{Tensor, header, put_string, write};

/// Numbers that readers stumble over.
const ODD: [u64; 14] = [
    0,
    1,
    31,
    127,
    255,
    i32::MAX as u64,
    u32::MAX as u64,
    1 << 32,
    1 << 60,
    1 << 61,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 31,
    u64::MAX,
];
const FLIPS: usize = 40_000;

/// Opens the model and, where that works, uses what was read as a check of it would.
fn try_out(path: &Path) -> Result<(), ModelError> {
    let model = Model::open(path)?;
    let _ = model.tokenizer.encode("ab é<|im_end|>", true);
    let _ = model.tokenizer.encode_rendered("ab é<|im_end|>");
    for id in model.tokenizer.end_of_sequence() {
        let _ = (model.tokenizer.spelling(id), model.tokenizer.shown_bytes(id));
    }
    let _ = model.template.as_ref().map(|template| template.render(&Conversation::default()));
    assert!(model.context_length > 0 && !model.tensors.is_empty() && !model.quantization.is_empty());
    assert!(model.tensors.iter().all(|tensor| tensor.elements == tensor.shape.iter().product::<u64>()));
    Ok(())
}

/// Changes a few bytes, or a number of four or eight.
fn flip(bytes: &mut [u8], rng: &mut impl Rng) {
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..bytes.len());
        let number = ODD.choose(rng).unwrap().wrapping_add(rng.random_range(0..2)).to_le_bytes();
        let width = *[1, 4, 8].choose(rng).unwrap();
        for (byte, new) in bytes[at..].iter_mut().zip(&number[..width]) {
            *byte = if width == 1 { rng.random() } else { *new };
        }
    }
}

/// The header of a file with two tensors, and the bytes of their weights.
fn gguf(entries: &[(&str, Value)]) -> (Vec<u8>, usize) {
    let tensors = [
        Tensor { name: "token_embd.weight", sizes: &[32, 2], format: 2, offset: 0 },
        Tensor { name: "output_norm.weight", sizes: &[4], format: 0, offset: 64 },
    ];
    (header(entries, &tensors), 64 + 16)
}

fn all_tokenizers() -> [Vec<(&'static str, Value)>; 4] {
    [entries(), sentence_piece_entries(), word_piece_entries(), unigram_entries()].map(|mut entries| {
        entries.push(("tokenizer.chat_template", Value::String("{% for m in messages %}{{ m }}{% endfor %}".into())));
        entries
    })
}

/// Writes in place, which is faster than a new file.
fn overwrite(path: &Path, bytes: &[u8]) {
    let mut file = File::options().create(true).truncate(false).write(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
}

fn open_gguf(mut header: Vec<u8>, weights: usize) -> Result<(), ModelError> {
    header.resize(header.len() + weights, 0);
    try_out(&write(&header).path())
}

fn assert_refused(what: &str, opened: Result<(), ModelError>, said: &str) {
    let error = opened.expect_err(what).to_string();
    assert!(error.contains(said), "{what}: {error}");
}

#[test]
fn every_truncation_of_a_gguf_file_is_an_error() {
    for entries in all_tokenizers() {
        let (header, weights) = gguf(&entries);
        let whole = header.len() + weights;
        let file = write(&[header, vec![0; weights]].concat());
        try_out(&file.path()).unwrap();
        for length in (0..whole).rev() {
            File::options().write(true).open(file.path()).unwrap().set_len(length as u64).unwrap();
            assert!(try_out(&file.path()).is_err(), "{length} of {whole} bytes were accepted");
        }
    }
}

#[test]
fn a_gguf_header_with_any_bytes_is_an_error_or_a_model() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.gguf");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for entries in all_tokenizers() {
        let (header, weights) = gguf(&entries);
        let whole = [&header[..], &vec![0; weights]].concat();
        for _ in 0..FLIPS {
            let mut flipped = whole.clone();
            flip(&mut flipped[..header.len()], &mut rng);
            overwrite(&path, &flipped);
            let _ = try_out(&path);
        }
        for at in 0..header.len() - 8 {
            for odd in ODD {
                let mut lying = whole.clone();
                lying[at..at + 8].copy_from_slice(&odd.to_le_bytes());
                overwrite(&path, &lying);
                let _ = try_out(&path);
            }
        }
    }
}

#[test]
fn a_gguf_table_that_lies_is_an_error() {
    let sound = Tensor { name: "a", sizes: &[4], format: 0, offset: 0 };
    let other = Tensor { name: "b", offset: 32, ..sound };
    let opened = |tensors: &[Tensor]| open_gguf(header(&entries(), tensors), 48);
    opened(&[sound, other]).unwrap();
    opened(&[other, sound]).unwrap();
    for (what, second, said) in [
        ("an offset behind the end", Tensor { offset: 64, ..other }, "its tensors need"),
        ("an offset of 2^60", Tensor { offset: 1 << 60, ..other }, "its tensors need"),
        ("an offset of 2^64 - 1", Tensor { offset: u64::MAX, ..other }, "too large"),
        ("an offset whose padding overflows", Tensor { offset: u64::MAX - 16, ..other }, "its tensors need more"),
        ("an overlap", Tensor { offset: 12, ..other }, "tensors `a` and `b` overlap"),
        ("the same place", Tensor { offset: 0, ..other }, "overlap"),
        ("the same name", Tensor { name: "a", ..other }, "tensor `a` twice"),
        ("2^60 columns", Tensor { sizes: &[1 << 60], ..other }, "its tensors need"),
        ("2^64 elements", Tensor { sizes: &[1 << 32, 1 << 32], ..other }, "tensor `b` is too large"),
        ("2^64 bytes", Tensor { sizes: &[1 << 31, 1 << 31], ..other }, "tensor `b` is too large"),
        ("no rows of 2^60", Tensor { sizes: &[1 << 60, 0, 1 << 60], ..other }, "tensor `b` is empty"),
        ("no dimension", Tensor { sizes: &[], ..other }, "0 dimensions"),
        ("five dimensions", Tensor { sizes: &[1; 5], ..other }, "5 dimensions"),
        ("rows that end in a block", Tensor { sizes: &[16, 2], format: 2, ..other }, "do not fill their blocks"),
        ("a number format of the future", Tensor { format: 99, ..other }, "number format 99"),
    ] {
        assert_refused(what, opened(&[sound, second]), said);
    }
    for (what, at, said) in [("2^60 tensors", 8, "damaged"), ("2^60 metadata entries", 16, "damaged")] {
        let mut lying = header(&entries(), &[sound]);
        lying[at..at + 8].copy_from_slice(&(1u64 << 60).to_le_bytes());
        assert_refused(what, open_gguf(lying, 48), said);
    }
}

#[test]
fn gguf_metadata_that_lies_is_an_error() {
    let changed = |key: &'static str, value: Value| {
        let mut entries = sentence_piece_entries();
        entries.retain(|(name, _)| *name != key);
        entries.push((key, value));
        let (header, weights) = gguf(&entries);
        open_gguf(header, weights)
    };
    let long = |length: usize| strings(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", &"a".repeat(length)]);
    let control = Value::Array([3; 11].map(Value::Int).to_vec());
    for (what, key, value, said) in [
        ("a context of -1", "llama.context_length", Value::Int(-1), "llama.context_length"),
        ("an alignment of 2^56", "general.alignment", Value::Int(1 << 56), "its tensors need"),
        ("an alignment of 0", "general.alignment", Value::Int(0), "general.alignment"),
        ("a long token", "tokenizer.ggml.tokens", long(50_000), "too long"),
        ("a BOS token of 2^60", "tokenizer.ggml.bos_token_id", Value::Int(1 << 60), "BOS"),
        ("too few kinds", "tokenizer.ggml.token_type", strings(&[]), "does not match"),
        (
            "a deep template",
            "tokenizer.chat_template",
            Value::String("{{ ".to_owned() + &"(".repeat(100_000)),
            "recursion",
        ),
        ("blocks in blocks", "tokenizer.chat_template", Value::String("{% if a %}".repeat(50_000)), "recursion"),
        ("a long template", "tokenizer.chat_template", Value::String("{{ a }}".repeat(200_000)), "longer than"),
    ] {
        assert_refused(what, changed(key, value), said);
    }
    let mut entries = sentence_piece_entries();
    entries.retain(|(key, _)| !["tokenizer.ggml.tokens", "tokenizer.ggml.token_type"].contains(key));
    entries.extend([("tokenizer.ggml.tokens", long(2000)), ("tokenizer.ggml.token_type", control)]);
    let (header, weights) = gguf(&entries);
    assert_refused("a long control token", open_gguf(header, weights), "added tokens are too long");
    entries.push(("llama.context_length", Value::Int(1)));
    let (header, weights) = gguf(&entries);
    assert_refused("a key twice", open_gguf(header, weights), "`llama.context_length` twice");
}

/// All substrings of one random text: each token is made of others in as many ways as it has characters.
#[test]
fn a_vocabulary_of_endless_merges_is_an_error() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let text: String = (0..6000).map(|_| char::from(b'a' + rng.random_range(0..26))).collect();
    let pieces = (1..=60).flat_map(|length| (0..=text.len() - length).map(move |at| (at, length)));
    let tokens: Vec<&str> = pieces.map(|(at, length)| &text[at..at + length]).collect();
    let mut entries = sentence_piece_entries();
    let listed = ["tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type"];
    entries.retain(|(key, _)| !listed.contains(key));
    entries.push(("tokenizer.ggml.tokens", strings(&tokens)));
    entries.push(("tokenizer.ggml.scores", Value::Array(vec![Value::Float(0.0); tokens.len()])));
    let (header, weights) = gguf(&entries);
    assert_refused("endless merges", open_gguf(header, weights), "too many ways");
}

/// A file that claims to be long, without taking the room.
fn sparse(path: &Path, beginning: &[u8], length: u64) {
    fs::write(path, beginning).unwrap();
    File::options().write(true).open(path).unwrap().set_len(length).unwrap();
}

#[test]
fn what_fills_a_vast_file_is_not_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.gguf");
    let begin =
        |tensors: u64, entries: u64| [&b"GGUF\x03\0\0\0"[..], &tensors.to_le_bytes(), &entries.to_le_bytes()].concat();
    let mut text = begin(1, 1);
    text.extend((1u64 << 39).to_le_bytes());
    let list = |kind: u32, count: u64| {
        let mut list = begin(1, 1);
        put_string(&mut list, "key");
        list.extend([9u32.to_le_bytes(), kind.to_le_bytes()].concat());
        list.extend(count.to_le_bytes());
        list
    };
    for (what, beginning, said) in [
        ("a text of half a terabyte", text, "its header is longer than 64 MB"),
        ("a list of 2^39 bytes", list(0, 1 << 39), "its header is longer than 64 MB"),
        ("a list of 20 million bytes", list(0, 20_000_000), "more than 10 million values"),
        ("2^60 empty keys", begin(1, 1 << 60), "twice"),
        ("2^60 tensors", begin(1 << 60, 0), "0 dimensions"),
    ] {
        sparse(&path, &beginning, 1 << 40);
        assert_refused(what, try_out(&path), said);
    }
}

/// The file again, with another header and as much behind it.
fn with_header(path: &Path, header: &str) {
    fs::write(path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat()).unwrap();
}

#[test]
fn a_safetensors_header_with_any_bytes_is_an_error_or_a_model() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for _ in 0..FLIPS {
        let mut flipped = bytes.clone();
        flip(&mut flipped, &mut rng);
        overwrite(&path, &flipped);
        let _ = try_out(folder.path());
    }
}

#[test]
fn a_safetensors_header_that_lies_is_an_error() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    let one =
        |shape: &str, offsets: &str| format!(r#"{{"w":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#);
    with_header(&path, &one("[2]", "[0,8]"));
    try_out(folder.path()).unwrap();
    let two = |first: &str, second: &str| {
        let tensor =
            |name: &str, offsets: &str| format!(r#""{name}":{{"dtype":"F32","shape":[1],"data_offsets":{offsets}}}"#);
        format!("{{{},{}}}", tensor("v", first), tensor("w", second))
    };
    with_header(&path, &two("[0,4]", "[4,8]"));
    try_out(folder.path()).unwrap();
    let deep = "[".repeat(1_000_000);
    for (what, header) in [
        ("an offset behind the end", one("[2]", "[8,16]")),
        ("more bytes than there are", one("[4]", "[0,16]")),
        ("fewer bytes than there are", one("[1]", "[0,4]")),
        ("another size than the shape's", one("[3]", "[0,8]")),
        ("an end before the beginning", one("[2]", "[8,0]")),
        ("an end of 2^64 - 1", one("[2]", "[0,18446744073709551615]")),
        ("an end of 2^64", one("[2]", "[0,18446744073709551616]")),
        ("a negative offset", one("[2]", "[-8,0]")),
        ("2^64 elements", one("[4294967296,4294967296]", "[0,8]")),
        ("2^64 bytes", one("[4611686018427387904]", "[0,8]")),
        ("no rows of 2^60", one("[1152921504606846976,1152921504606846976,0]", "[0,8]")),
        ("an overlap", two("[0,4]", "[0,4]")),
        ("a hole", two("[0,2]", "[4,8]")),
        ("no tensor", "{}".to_owned()),
        ("a list", "[]".to_owned()),
        ("nothing", String::new()),
        ("deep nesting", deep.clone()),
        ("a deep shape", one(&deep, "[0,8]")),
    ] {
        with_header(&path, &header);
        assert_refused(what, try_out(folder.path()), "model.safetensors` is damaged");
    }
    for length in ODD.into_iter().filter(|&length| length > 8) {
        fs::write(&path, length.to_le_bytes()).unwrap();
        assert_refused("a header of another length", try_out(folder.path()), "header does not fit");
        sparse(&path, &length.to_le_bytes(), 1 << 40);
        assert!(try_out(folder.path()).is_err(), "a header of {length} zeros");
    }
}

#[test]
fn an_index_that_lies_is_an_error() {
    let folder = folder();
    let index = folder.path().join("model.safetensors.index.json");
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::copy(folder.path().join("model.safetensors"), folder.path().join("sub/model.safetensors")).unwrap();
    let outside = TempDir::new().unwrap();
    fs::copy(folder.path().join("model.safetensors"), outside.path().join("w.safetensors")).unwrap();
    let absolute = outside.path().join("w.safetensors").to_string_lossy().into_owned();
    for name in
        ["missing.safetensors", "../x", "..", ".", "", "sub", "sub/model.safetensors", "..\\x", "a\0b", &absolute]
    {
        fs::write(&index, json!({"weight_map": {"w": name}}).to_string()).unwrap();
        assert_refused(name, try_out(folder.path()), "which is not in the folder");
    }
    let deep = "{\"weight_map\":".repeat(100_000);
    for (text, said) in [("{}", "weight_map"), (r#"{"weight_map": {"w": 7}}"#, "file names"), (&deep, "recursion")] {
        fs::write(&index, text).unwrap();
        assert_refused(text, try_out(folder.path()), said);
    }
    fs::write(&index, r#"{"weight_map": {}}"#).unwrap();
    assert_refused("no files", try_out(folder.path()), "empty");
}

#[test]
fn what_is_no_file_or_too_long_is_not_read() {
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"] {
        let folder = folder();
        sparse(&folder.path().join(name), b"", 1 << 40);
        assert_refused(name, try_out(folder.path()), "longer than");
        let _ = fs::remove_file(folder.path().join(name));
        fs::create_dir(folder.path().join(name)).unwrap();
        assert!(try_out(folder.path()).is_err(), "{name}");
    }
    #[cfg(unix)]
    for name in ["config.json", "tokenizer.json", "generation_config.json", "model.safetensors"] {
        let folder = folder();
        let _ = fs::remove_file(folder.path().join(name));
        std::os::unix::fs::symlink("/dev/zero", folder.path().join(name)).unwrap();
        assert!(try_out(folder.path()).is_err(), "{name}");
        assert_refused("a device", try_out(&folder.path().join(name)), "neither a GGUF file nor a folder");
    }
}

/// Replaces a random part of `json`.
fn replace(json: &mut Json, rng: &mut impl Rng) {
    let inner: Vec<&mut Json> = match json {
        Json::Array(values) => values.iter_mut().collect(),
        Json::Object(values) => values.values_mut().collect(),
        _ => Vec::new(),
    };
    if !inner.is_empty() && rng.random_bool(0.8) {
        let at = rng.random_range(0..inner.len());
        return replace(inner.into_iter().nth(at).unwrap(), rng);
    }
    *json = match rng.random_range(0..10) {
        0 => Json::Null,
        1 => json!(ODD.choose(rng).unwrap()),
        2 => json!(-1),
        3 => json!(1e300),
        4 => json!(""),
        5 => json!("▁".repeat(rng.random_range(1..300))),
        6 => json!("<|im_end|>"),
        7 => json!([]),
        8 => json!({}),
        _ => (0..100).fold(json!("a"), |inner, _| json!([inner])),
    };
}

#[test]
fn any_json_is_an_error_or_a_model() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for name in ["config.json", "tokenizer_config.json", "tokenizer.json"] {
        let folder = folder();
        let path = folder.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        let sound: Json = serde_json::from_str(&text).unwrap();
        for length in (0..text.len()).step_by(if name == "tokenizer.json" { 17 } else { 1 }) {
            fs::write(&path, &text.as_bytes()[..length]).unwrap();
            assert!(try_out(folder.path()).is_err(), "{length} bytes of {name} were accepted");
        }
        for _ in 0..2000 {
            let mut changed = sound.clone();
            replace(&mut changed, &mut rng);
            overwrite(&path, changed.to_string().as_bytes());
            let _ = try_out(folder.path());
            let mut flipped = text.clone().into_bytes();
            flip(&mut flipped, &mut rng);
            overwrite(&path, &flipped);
            let _ = try_out(folder.path());
        }
    }
}

#[test]
fn a_tokenizer_that_lies_is_an_error() {
    let folder = folder();
    let path = folder.path().join("tokenizer.json");
    let sound: Json = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let nested = "(".repeat(100_000);
    type Change<'a> = &'a dyn Fn(&mut Json);
    let cases: [(&str, Change, &str); 6] = [
        ("an id of 2^32 - 1", &|json| json["model"]["vocab"]["a"] = json!(u32::MAX), "4294967295"),
        (
            "a prefix longer than a token",
            &|json| {
                json["model"]["continuing_subword_prefix"] = json!("##########");
                json["model"]["merges"] = json!([["a", "b"]]);
            },
            "damaged",
        ),
        ("a long control token", &|json| json["added_tokens"][0]["content"] = json!("a".repeat(1_000_000)), "too long"),
        (
            "many control tokens",
            &|json| {
                let token = json["added_tokens"][0].clone();
                let more = (0..3000).map(|at| {
                    let mut token = token.clone();
                    token["content"] = json!(format!("{at:0999}"));
                    token
                });
                json["added_tokens"] = more.collect();
            },
            "too long",
        ),
        (
            "a deep expression",
            &|json| {
                json["pre_tokenizer"] =
                    json!({"type": "Split", "pattern": {"Regex": nested}, "behavior": "Isolated", "invert": false});
            },
            "tokenizer",
        ),
        ("no decoder", &|json| json["decoder"] = Json::Null, "byte-level"),
    ];
    for (what, change, said) in cases {
        let mut changed = sound.clone();
        change(&mut changed);
        fs::write(&path, changed.to_string()).unwrap();
        assert_refused(what, try_out(folder.path()), said);
    }
}
