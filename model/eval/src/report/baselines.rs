//! What n-gram models of bytes get on the texts, for a model's bits per byte to be seen beside. `zyron-model baseline`
//! trains them on zyron-mini's corpus and writes the file.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Scores;
use crate::statistics::{Sample, mean};

const FILE: &str = include_str!("../../baselines.json");

#[derive(Deserialize)]
struct Baselines {
    /// By name.
    baselines: BTreeMap<String, Baseline>,
}

#[derive(Deserialize)]
struct Baseline {
    /// Bits per byte, by the item.
    items: BTreeMap<String, f64>,
}

/// The bits per byte of each over the items of `scores`, which weigh the same; none where it has not all of them.
pub(super) fn over(scores: &Scores) -> BTreeMap<String, f64> {
    if scores.is_empty() {
        return BTreeMap::new();
    }
    let file: Baselines = serde_json::from_str(FILE).expect("a test reads the file");
    let over = |Baseline { items }: &Baseline| {
        let samples = scores.iter().map(|(id, sample)| Some(Sample { score: *items.get(id)?, ..*sample }));
        Some(mean(samples.collect::<Option<Vec<_>>>()?))
    };
    file.baselines.iter().filter_map(|(name, baseline)| Some((name.clone(), over(baseline)?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::items;

    /// The items' names and the bytes of their texts.
    fn texts() -> Scores {
        let items: Vec<Value> = items::TEXT.read().unwrap();
        let sample = |item: &Value| Sample { score: 0.0, weight: item["text"].as_str().unwrap().len() as f64 };
        items.iter().map(|item| (item["id"].as_str().unwrap().to_owned(), sample(item))).collect()
    }

    #[test]
    fn they_are_of_the_items_that_are_there() {
        let file: Value = serde_json::from_str(FILE).unwrap();
        let sha256 = format!("{:x}", Sha256::digest(include_str!("../../items/text.jsonl")));
        assert_eq!(file["items_sha256"], sha256, "`cargo xtask mini baseline` makes them again");
        let all = over(&texts());
        assert_eq!(all.keys().collect::<Vec<_>>(), ["5-gram", "unigram"]);
        for (name, bits) in all {
            let wanted = file["baselines"][&name]["bits_per_byte"].as_f64().unwrap();
            assert!((bits - wanted).abs() < 1e-3, "{name}: {bits} is not {wanted}");
        }
    }

    #[test]
    fn only_what_was_measured_counts() {
        let (id, sample) = texts().pop_first().unwrap();
        let file: Baselines = serde_json::from_str(FILE).unwrap();
        let one = Scores::from([(id.clone(), sample)]);
        assert_eq!(over(&one)["unigram"], file.baselines["unigram"].items[&id]);
        let with_unknown = Scores::from([(id, sample), ("no item".to_owned(), sample)]);
        assert!(over(&with_unknown).is_empty());
        assert!(over(&Scores::new()).is_empty());
    }
}
