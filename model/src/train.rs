//! The training: windows in, a network out, a step at a time; it can be stopped anywhere and goes on from its last
//! checkpoint as if it had not been.

mod curve;

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use candle_core::{Device, Tensor};
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Deserialize, Serialize};
use zyron_engine::Tokenizer;

use crate::corpus;
use crate::document::Document;
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::packing::{Encoder, Mixture, SHORTEST_WINDOW, Window};
use crate::recipe::Recipe;

/// What to train, and on what.
#[derive(clap::Args)]
pub struct Args {
    /// The recipe: sizes, rates and weights
    #[arg(long)]
    recipe: PathBuf,
    /// The corpus's folder
    #[arg(long)]
    corpus: PathBuf,
    /// The tokenizer
    #[arg(long)]
    tokenizer: PathBuf,
    /// The folder of this run; one that has a checkpoint is gone on with
    #[arg(long)]
    run: PathBuf,
    /// Threads, each with its part of a batch; by default as many as there are cores
    #[arg(long)]
    threads: Option<usize>,
    /// Stop after so many steps, to go on later
    #[arg(long)]
    stop_after: Option<usize>,
}

/// A line of a run's log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    step: usize,
    /// Tokens read so far.
    pub(crate) tokens: usize,
    loss: f64,
    /// On what is held out, by kind, where it was measured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) heldout: BTreeMap<String, f64>,
    /// Of computing, over all times that the run went on.
    pub(crate) seconds: f64,
}

/// Steps between two looks at what is held out, each with a checkpoint.
const EVERY: usize = 100;

/// Trains, or goes on training.
///
/// # Errors
/// Where a file cannot be read or written, or the loss is no number.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let recipe = Recipe::read(&args.recipe)?;
    std::fs::create_dir_all(&args.run)?;
    let encoder = Encoder::new(Tokenizer::from_file(&args.tokenizer, [2].into())?)?;
    ensure!(
        encoder.vocabulary_size() == recipe.shape.vocabulary,
        "the tokenizer has {} entries, the recipe {}",
        encoder.vocabulary_size(),
        recipe.shape.vocabulary
    );
    let documents = corpus::read(&args.corpus.join("train.jsonl"))?;
    ensure!(
        recipe.phases().all(|phase| phase.length >= SHORTEST_WINDOW),
        "a window has at least {SHORTEST_WINDOW} tokens"
    );
    let heldout = heldout(&encoder, &args.corpus, &recipe)?;
    let threads = args
        .threads
        .map_or_else(std::thread::available_parallelism, |threads| threads.try_into().map_err(std::io::Error::other))?;
    let mut training = Training::begin(&args.run, recipe, Workers::new(threads.get())?)?;
    println!("{} parameters, step {} of {}", training.network.shape().size(), training.step, training.recipe.steps());
    training.go_on(&encoder, &documents, &heldout, args.stop_after.unwrap_or(usize::MAX))
}

/// Windows of what is held out, by kind.
fn heldout(encoder: &Encoder, corpus: &Path, recipe: &Recipe) -> anyhow::Result<BTreeMap<String, Vec<Window>>> {
    let documents = corpus::read(&corpus.join("heldout.jsonl"))?;
    let length = recipe.stages[0].phases[0].length;
    let kinds: std::collections::BTreeSet<String> = documents.iter().map(|document| document.kind.clone()).collect();
    kinds
        .into_iter()
        .filter(|kind| recipe.stages.iter().any(|stage| stage.mixture.contains_key(kind)))
        .map(|kind| {
            let weights = [(kind.clone(), 1.0)].into();
            let windows = Mixture::new(encoder, &documents, &weights, 0)?.windows(12, length);
            Ok((kind, windows))
        })
        .collect()
}

/// Threads that compute a part of a batch each.
struct Workers {
    pools: Vec<ThreadPool>,
}

impl Workers {
    fn new(threads: usize) -> anyhow::Result<Self> {
        // A pool of one thread: what candle would spread over all cores stays on this one.
        let pool = |_| Ok(ThreadPoolBuilder::new().num_threads(1).build()?);
        Ok(Self { pools: (0..threads).map(pool).collect::<anyhow::Result<_>>()? })
    }

    /// The mean loss of some windows, and its gradient by the parameters' names.
    fn gradient(
        &self,
        network: &Network,
        windows: &[Window],
        at_once: usize,
    ) -> anyhow::Result<(f64, HashMap<String, Tensor>)> {
        let parts: Vec<&[Window]> = windows.chunks(at_once).collect();
        let results: Vec<anyhow::Result<Part>> = std::thread::scope(|scope| {
            // In turn, so that the sum does not depend on who is faster.
            let share =
                |at: usize| -> Vec<&[Window]> { parts.iter().skip(at).step_by(self.pools.len()).copied().collect() };
            let threads: Vec<_> = self
                .pools
                .iter()
                .enumerate()
                .map(|(at, pool)| (pool, share(at)))
                .map(|(pool, share)| scope.spawn(move || pool.install(|| part(network, &share))))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("a worker does not panic")).collect()
        });
        let mut whole = Part::default();
        for result in results {
            whole.add(result?)?;
        }
        let count = whole.count.max(1) as f64;
        let gradients = whole.gradients.into_iter().map(|(name, sum)| Ok((name, (sum / count)?)));
        Ok((whole.loss / count, gradients.collect::<anyhow::Result<_>>()?))
    }
}

/// The sum of the losses of some windows.
#[derive(Default)]
struct Part {
    loss: f64,
    count: usize,
    gradients: HashMap<String, Tensor>,
}

impl Part {
    fn add(&mut self, other: Self) -> anyhow::Result<()> {
        self.loss += other.loss;
        self.count += other.count;
        for (name, gradient) in other.gradients {
            let sum = match self.gradients.get(&name) {
                Some(sum) => (sum + gradient)?,
                None => gradient,
            };
            self.gradients.insert(name, sum);
        }
        Ok(())
    }
}

fn part(network: &Network, share: &[&[Window]]) -> anyhow::Result<Part> {
    let mut whole = Part::default();
    for windows in share {
        let (loss, count) = network.loss(windows)?;
        let gradients = loss.backward()?;
        let of =
            |(name, parameter): (&String, &candle_core::Var)| Some((name.clone(), gradients.get(parameter)?.clone()));
        let gradients = network.parameters().iter().filter_map(of).collect();
        whole.add(Part { loss: f64::from(loss.to_scalar::<f32>()?), count, gradients })?;
    }
    Ok(whole)
}

/// A run.
struct Training {
    folder: PathBuf,
    recipe: Recipe,
    network: Network,
    optimizer: Optimizer,
    workers: Workers,
    /// Steps done.
    step: usize,
    records: Vec<Record>,
}

impl Training {
    /// A new run in `folder`, or that which is there; its recipe may have got further stages.
    fn begin(folder: &Path, recipe: Recipe, workers: Workers) -> anyhow::Result<Self> {
        let checkpoint = folder.join("checkpoint.safetensors");
        let kept = folder.join("recipe.json");
        let shape = recipe.shape.clone();
        let (network, optimizer, step) = if checkpoint.exists() {
            let is_same = recipe.goes_on_from(&Recipe::read(&kept)?);
            ensure!(is_same, "the run in {} has another recipe", folder.display());
            let tensors = candle_core::safetensors::load(&checkpoint, &Device::Cpu)?;
            let step = tensors.get("step").context("the checkpoint has no step")?.to_scalar::<u32>()?;
            (Network::from_tensors(shape, &tensors)?, Optimizer::from_tensors(&tensors), step as usize)
        } else {
            (Network::new(shape, recipe.seed)?, Optimizer::default(), 0)
        };
        std::fs::write(kept, serde_json::to_string_pretty(&recipe)? + "\n")?;
        // What was done after the checkpoint is done again.
        let log = std::fs::read_to_string(folder.join("log.jsonl")).unwrap_or_default();
        let records = log.lines().map(serde_json::from_str).collect::<Result<Vec<Record>, _>>()?;
        let records: Vec<Record> = records.into_iter().filter(|record| record.step <= step).collect();
        let mut file = File::create(folder.join("log.jsonl"))?;
        for record in &records {
            writeln!(file, "{}", serde_json::to_string(record)?)?;
        }
        Ok(Self { folder: folder.to_owned(), recipe, network, optimizer, workers, step, records })
    }

    fn go_on(
        &mut self,
        encoder: &Encoder,
        documents: &[Document],
        heldout: &BTreeMap<String, Vec<Window>>,
        at_most: usize,
    ) -> anyhow::Result<()> {
        let (begin, mut done, mut tokens) = (Instant::now(), 0, 0);
        let before = self.records.last().map_or(0.0, |record| record.seconds);
        for (at, stage) in self.recipe.stages.clone().iter().enumerate() {
            if done + stage.steps() <= self.step {
                done += stage.steps();
                tokens += stage.tokens();
                continue;
            }
            let mut mixture = Mixture::new(encoder, documents, &stage.mixture, self.recipe.seed + 1000 * at as u64)?;
            for phase in stage.phases.iter().flat_map(|phase| std::iter::repeat_n(phase, phase.steps)) {
                let windows = mixture.windows(phase.windows, phase.length);
                tokens += phase.windows * phase.length;
                done += 1;
                // Those of the steps before the checkpoint have been read already.
                if done <= self.step {
                    continue;
                }
                let loss = self.advance(&windows, phase.at_once)?;
                let is_last = done == self.recipe.steps() || done == at_most;
                let mut record = Record {
                    step: done,
                    tokens,
                    loss,
                    heldout: BTreeMap::new(),
                    seconds: before + begin.elapsed().as_secs_f64(),
                };
                if done.is_multiple_of(EVERY) || is_last {
                    for (kind, windows) in heldout {
                        record.heldout.insert(kind.clone(), self.network.evaluate(windows)?);
                    }
                }
                self.keep(record, done.is_multiple_of(EVERY) || is_last)?;
                if is_last {
                    break;
                }
            }
            for (kind, epochs) in mixture.epochs() {
                println!("{kind}: read {epochs:.1} times");
            }
            if done == at_most {
                break;
            }
        }
        Ok(())
    }

    /// One step.
    fn advance(&mut self, windows: &[Window], at_once: usize) -> anyhow::Result<f64> {
        let (loss, mut gradients) = self.workers.gradient(&self.network, windows, at_once)?;
        ensure!(loss.is_finite(), "the loss of step {} is {loss}", self.step + 1);
        clip(&mut gradients)?;
        let rate = self.recipe.rate(self.step);
        self.step += 1;
        self.optimizer.step(self.network.parameters(), &gradients, rate, self.step)?;
        Ok(loss)
    }

    fn keep(&mut self, record: Record, is_checkpoint: bool) -> anyhow::Result<()> {
        let mut log = OpenOptions::new().append(true).create(true).open(self.folder.join("log.jsonl"))?;
        writeln!(log, "{}", serde_json::to_string(&record)?)?;
        if record.step.is_multiple_of(10) || is_checkpoint {
            let rate = record.tokens as f64 / record.seconds;
            let heldout: Vec<String> = record.heldout.iter().map(|(kind, loss)| format!("{kind} {loss:.3}")).collect();
            println!(
                "step {} of {}: loss {:.3}, {rate:.0} tokens a second, {:.0} s {}",
                record.step,
                self.recipe.steps(),
                record.loss,
                record.seconds,
                heldout.join(", ")
            );
        }
        self.records.push(record);
        if is_checkpoint {
            self.save()?;
            curve::draw(&self.folder.join("loss.svg"), &self.records)?;
        }
        Ok(())
    }

    /// Writes the checkpoint, whole or not at all.
    fn save(&self) -> anyhow::Result<()> {
        let mut tensors: HashMap<String, Tensor> =
            self.network.parameters().iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        tensors.extend(self.optimizer.tensors().map(|(name, tensor)| (name, tensor.clone())));
        tensors.insert("step".to_owned(), Tensor::new(u32::try_from(self.step)?, &Device::Cpu)?);
        let new = self.folder.join("checkpoint.new");
        candle_core::safetensors::save(&tensors, &new)?;
        Ok(std::fs::rename(new, self.folder.join("checkpoint.safetensors"))?)
    }
}

/// Makes the gradient as a whole no longer than one.
fn clip(gradients: &mut HashMap<String, Tensor>) -> anyhow::Result<()> {
    let mut square = 0.0;
    for gradient in gradients.values() {
        square += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
    }
    let norm = square.sqrt();
    if norm > 1.0 {
        for gradient in gradients.values_mut() {
            *gradient = (&*gradient / norm)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;
    use tempfile::TempDir;

    use super::{Args, run};
    use crate::document::Document;
    use crate::vocabulary;

    /// A corpus of one sentence, a tokenizer for it and a recipe with so many steps in each stage.
    fn prepare(folder: &Path, stages: &[usize]) {
        let sentence = "Le besoin en fonds de roulement naît du décalage entre les dépenses et les recettes.";
        let lines = |count: usize| -> String {
            let document = |at: usize| match at % 2 {
                0 => Document::text("passage", sentence.repeat(3)),
                _ => Document::exchange("question", "Qu'est-ce que le BFR ?", sentence),
            };
            (0..count).map(|at| serde_json::to_string(&document(at)).unwrap() + "\n").collect()
        };
        std::fs::write(folder.join("train.jsonl"), lines(40)).unwrap();
        std::fs::write(folder.join("heldout.jsonl"), lines(4)).unwrap();
        let tokenizer = vocabulary::train(vec![sentence.to_owned(); 9], 300).unwrap();
        tokenizer.save(folder.join("tokenizer.json"), false).unwrap();
        let shape = json!({
            "vocabulary": tokenizer.get_vocab_size(true), "width": 32, "layers": 2, "heads": 4, "kv_heads": 2,
            "inner": 48, "context": 512, "theta": 10000.0, "epsilon": 1e-5,
        });
        let recipe = json!({
            "seed": 3, "shape": shape,
            "stages": stages.iter().map(|steps| json!({
                "rate": 0.01, "warmup": 2, "decay": 0.2, "mixture": {"passage": 0.5, "question": 0.5},
                "phases": [{"steps": steps, "windows": 4, "at_once": 1, "length": 256}],
            })).collect::<Vec<_>>(),
        });
        std::fs::write(folder.join("recipe.json"), recipe.to_string()).unwrap();
    }

    fn train(folder: &Path, run_folder: &str, stop_after: Option<usize>) -> String {
        let args = Args {
            recipe: folder.join("recipe.json"),
            corpus: folder.to_owned(),
            tokenizer: folder.join("tokenizer.json"),
            run: folder.join(run_folder),
            threads: Some(2),
            stop_after,
        };
        run(&args).unwrap();
        std::fs::read_to_string(folder.join(run_folder).join("log.jsonl")).unwrap()
    }

    fn losses(log: &str) -> Vec<f64> {
        let loss = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["loss"].as_f64().unwrap();
        log.lines().map(loss).collect()
    }

    #[test]
    fn it_learns() {
        let folder = TempDir::new().unwrap();
        prepare(folder.path(), &[40]);
        let losses = losses(&train(folder.path(), "run", None));
        assert!(losses[0] > 5.0 && losses[39] < 1.0, "{losses:?}");
        let curve = std::fs::read_to_string(folder.path().join("run/loss.svg")).unwrap();
        assert!(curve.contains("<svg") && curve.contains("question"));
    }

    #[test]
    fn a_run_that_was_stopped_goes_on_as_if_it_had_not_been() {
        for stop_after in [2, 3, 4] {
            let folder = TempDir::new().unwrap();
            prepare(folder.path(), &[3, 3]);
            let whole = losses(&train(folder.path(), "whole", None));
            train(folder.path(), "parts", Some(stop_after));
            let parts = losses(&train(folder.path(), "parts", None));
            assert_eq!(whole.len(), 6);
            assert_eq!(whole, parts, "stopped after {stop_after}");
        }
    }

    #[test]
    fn a_run_that_is_done_goes_on_with_another_stage() {
        let folder = TempDir::new().unwrap();
        prepare(folder.path(), &[3]);
        train(folder.path(), "parts", None);
        prepare(folder.path(), &[3, 2]);
        let parts = losses(&train(folder.path(), "parts", None));
        assert_eq!(parts, losses(&train(folder.path(), "whole", None)));
    }

    #[test]
    fn another_recipe_does_not_go_on_with_a_run() {
        let folder = TempDir::new().unwrap();
        prepare(folder.path(), &[2]);
        train(folder.path(), "run", Some(1));
        prepare(folder.path(), &[3]);
        let args = Args {
            recipe: folder.path().join("recipe.json"),
            corpus: folder.path().to_owned(),
            tokenizer: folder.path().join("tokenizer.json"),
            run: folder.path().join("run"),
            threads: Some(1),
            stop_after: None,
        };
        assert!(run(&args).unwrap_err().to_string().contains("another recipe"));
    }
}
