//! A run: who is asked what, how much at once, and where the answers go.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;
use futures::StreamExt;

use crate::format::Format;
use crate::items;
use crate::progress::Progress;
use crate::report::Report;
use crate::results::{ItemResult, Results, Run};
use crate::server::Server;
use crate::tasks::{Question, Task};

/// The server's key is read from here.
const KEY: &str = "ZYRON_EVAL_API_KEY";

/// Whom to judge, and on what. A server that wants a key gets the one in `ZYRON_EVAL_API_KEY`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server: any that speaks OpenAI's format
    #[arg(long, default_value = "http://127.0.0.1:8080/v1")]
    url: String,
    /// The model; by default the first that the server has
    #[arg(long)]
    model: Option<String>,
    /// The tasks, separated by commas; by default all
    #[arg(long, value_enum, value_delimiter = ',')]
    tasks: Vec<Task>,
    /// Only so many items of each task, the first
    #[arg(long)]
    limit: Option<usize>,
    /// Items that are asked at once
    #[arg(long, default_value = "4")]
    concurrency: NonZeroUsize,
    /// The folder of the results; a run that was stopped is gone on with
    #[arg(long, default_value = "eval-report")]
    out: PathBuf,
    /// The report.json of another run, to compare with
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// In which text a question and one of its choices are scored; \n is a line break
    #[arg(long, default_value = "Question\u{a0}: {question}\\nRéponse\u{a0}: {choice}")]
    format: Format,
}

/// An item that has no answer yet.
struct Pending {
    task: Task,
    question: Question,
}

/// Asks what has no answer in the folder yet, writes the report and prints it.
///
/// # Errors
/// Where the folder has the results of another run, the server cannot be asked or a file not be written. What was
/// answered until then is kept.
pub async fn run(args: Args) -> anyhow::Result<()> {
    // Read first: a wrong name should not cost a run.
    let other = args.against.as_deref().map(Report::read).transpose()?;
    let key = std::env::var(KEY).unwrap_or_else(|_| "none".to_owned());
    let server = Server::new(&args.url, key, args.model.clone()).await?;
    let run = Run {
        set: items::version(),
        model: server.model().to_owned(),
        url: server.url().to_owned(),
        format: args.format.as_str().to_owned(),
        limit: args.limit,
    };
    let mut results = Results::open(&args.out, &run)?;
    ask(&args, &server, &mut results).await?;
    let mut report = Report::new(run, &results.known);
    if let Some(other) = &other {
        report.compare(other);
    }
    println!("{}", report.write(&args.out)?);
    Ok(())
}

async fn ask(args: &Args, server: &Server, results: &mut Results) -> anyhow::Result<()> {
    let tasks = if args.tasks.is_empty() { Task::value_variants() } else { &args.tasks };
    let tasks: BTreeSet<Task> = tasks.iter().copied().collect();
    let known: BTreeSet<(Task, String)> = results.known.iter().map(|result| (result.task, result.id.clone())).collect();
    let (mut pending, mut all) = (Vec::new(), 0);
    for task in tasks {
        for question in task.questions()?.into_iter().take(args.limit.unwrap_or(usize::MAX)) {
            all += 1;
            if !known.contains(&(task, question.id().to_owned())) {
                pending.push(Pending { task, question });
            }
        }
    }
    let mut progress = Progress::new(all - pending.len(), all);
    let judge = |Pending { task, question }: Pending| async move {
        let judged = question.judge(task, server, &args.format).await;
        (task, ItemResult::new(question.id(), task, judged))
    };
    let mut judged = futures::stream::iter(pending.into_iter().map(judge)).buffer_unordered(args.concurrency.get());
    while let Some((task, result)) = judged.next().await {
        results.add(result.context("the run is stopped; the same command goes on with it")?)?;
        progress.step(task);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
