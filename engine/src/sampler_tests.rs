use proptest::prelude::*;

use super::{Sampler, Sampling};
use crate::EngineError;

fn sampling() -> Sampling {
    Sampling { temperature: 1.0, ..Sampling::default() }
}

/// How often each of the logits' tokens comes first over many seeds.
fn frequencies(sampling: &Sampling, logits: &[f32]) -> Vec<f64> {
    let draws = 20_000;
    let mut counts = vec![0.0; logits.len()];
    for seed in 0..draws {
        let mut sampler = Sampler::new(Sampling { seed, ..sampling.clone() }, &[]);
        counts[sampler.sample(&mut logits.to_vec()).unwrap() as usize] += 1.0 / draws as f64;
    }
    counts
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let weights: Vec<f64> = logits.iter().map(|&logit| f64::from(logit).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

fn assert_close(actual: &[f64], expected: &[f64]) {
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() < 0.015, "{actual:?} is not near {expected:?}");
    }
}

#[test]
fn draws_follow_the_distribution() {
    let logits = [1.0, 0.0, 2.0, -1.0, f32::NEG_INFINITY, f32::NAN];
    let mut expected = softmax(&logits[..4]);
    expected.extend([0.0, 0.0]);
    assert_close(&frequencies(&sampling(), &logits), &expected);
}

#[test]
fn temperature_divides_the_logits() {
    let cooled = Sampling { temperature: 0.5, ..sampling() };
    assert_close(&frequencies(&cooled, &[1.0, 0.0]), &softmax(&[2.0, 0.0]));
}

#[test]
fn truncation_keeps_the_likeliest() {
    let logits = [0.5f32.ln(), 0.3f32.ln(), 0.15f32.ln(), 0.05f32.ln()];
    let two = [0.625, 0.375, 0.0, 0.0];
    assert_close(&frequencies(&Sampling { top_k: 2, ..sampling() }, &logits), &two);
    assert_close(&frequencies(&Sampling { top_p: 0.7, ..sampling() }, &logits), &two);
    assert_close(&frequencies(&Sampling { min_p: 0.5, ..sampling() }, &logits), &two);
    // top_p counts within what top_k left: half of 0.8 is passed by the first token.
    let both = Sampling { top_k: 2, top_p: 0.6, ..sampling() };
    assert_close(&frequencies(&both, &logits), &[1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn frequency_and_presence_count_the_answer_only() {
    let penalized = Sampling { frequency_penalty: 0.5, presence_penalty: 0.25, ..Sampling::default() };
    let mut sampler = Sampler::new(penalized, &[1, 1, 1]);
    let logits = [0.0, 1.0, 0.5];
    assert_eq!(sampler.sample(&mut logits.to_vec()).unwrap(), 1);
    let mut next = logits.to_vec();
    assert_eq!(sampler.sample(&mut next).unwrap(), 2);
    assert_eq!(next, [0.0, 0.25, 0.5]);
}

#[test]
fn repetition_counts_the_prompt_too() {
    let penalized = Sampling { repetition_penalty: 2.0, ..Sampling::default() };
    let mut sampler = Sampler::new(penalized, &[0, 1, 99]);
    let mut logits = vec![4.0, -1.0, 3.0];
    assert_eq!(sampler.sample(&mut logits).unwrap(), 2);
    assert_eq!(logits, [2.0, -2.0, 3.0]);
}

#[test]
fn bias_moves_a_token_and_ignores_unknown_ids() {
    let biased = Sampling { logit_bias: vec![(2, 100.0), (9_999, 100.0)], ..Sampling::default() };
    assert_eq!(Sampler::new(biased, &[]).sample(&mut [1.0, 5.0, 0.0]).unwrap(), 2);
}

#[test]
fn without_a_finite_logit_it_is_an_error() {
    for logits in [vec![], vec![f32::NAN; 3], vec![f32::NEG_INFINITY; 3]] {
        assert_eq!(Sampler::new(sampling(), &[]).sample(&mut logits.clone()), Err(EngineError::NoFiniteLogit));
    }
}

#[test]
fn a_position_draws_alike_whatever_came_before() {
    let mut early = Sampler::new(sampling(), &[]);
    let mut late = Sampler::new(sampling(), &[]);
    early.sample(&mut [0.0; 50]).unwrap();
    late.sample(&mut [1.0, 2.0, 3.0]).unwrap();
    assert_eq!(early.sample(&mut [0.0; 50]).unwrap(), late.sample(&mut [0.0; 50]).unwrap());
}

/// `top_p` over every token, sorted: what the partial sort must equal.
fn nucleus_by_definition(logits: &[f32], top_p: f64) -> usize {
    let mut probabilities = softmax(logits);
    probabilities.sort_by(|a, b| b.total_cmp(a));
    let mut sum = 0.0;
    probabilities
        .iter()
        .take_while(|&&p| {
            let wanted = sum < top_p;
            sum += p;
            wanted
        })
        .count()
}

proptest! {
    #[test]
    fn the_nucleus_is_exact(logits in prop::collection::vec(-8.0f32..8.0, 1..60), top_p in 0.05f32..0.999) {
        let mut sampler = Sampler::new(Sampling { top_p, ..sampling() }, &[]);
        sampler.sample(&mut logits.clone()).unwrap();
        let expected = nucleus_by_definition(&logits, f64::from(top_p));
        // Rounding may move a token that stands right at the border.
        prop_assert!(sampler.scratch.len().abs_diff(expected) <= 1, "{} {expected}", sampler.scratch.len());
    }

    #[test]
    fn any_sampling_gives_a_token_and_repeats_itself(
        logits in prop::collection::vec(prop_oneof![9 => -50.0f32..50.0, 1 => Just(f32::NEG_INFINITY)], 1..40),
        temperature in 0.0f32..2.0, top_p in 0.001f32..=1.0, top_k in 0usize..50, min_p in 0.0f32..=1.0, seed in any::<u64>(),
    ) {
        let sampling = Sampling { temperature, top_p, top_k, min_p, seed, ..Sampling::default() };
        let draw = || Sampler::new(sampling.clone(), &[]).sample(&mut logits.clone());
        let first = draw();
        prop_assert_eq!(&first, &draw());
        match first {
            Ok(token) => prop_assert!(logits[token as usize] > f32::NEG_INFINITY),
            Err(_) => prop_assert!(logits.iter().all(|&logit| logit == f32::NEG_INFINITY)),
        }
    }
}
