//! `zyron models`: which models a running server has, and how they come and go.

use std::io::Write;

use zyron_openapi::{AdminModel, AdminModelList, ModelStatus};

use crate::cli::{ModelsArgs, ModelsCommand};
use crate::remote::Remote;

const PATH: &str = "/v1/admin/models";

pub(crate) fn run(args: &ModelsArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // A large model takes minutes to load, and requests minutes to end.
    let server = Remote::new(&args.server, None)?;
    let said = runtime.block_on(async {
        match &args.command {
            ModelsCommand::List => Ok(table(&server.get(PATH).await?.json().await?)),
            ModelsCommand::Load { model } => change(&server, "load", model).await,
            ModelsCommand::Unload { model } => change(&server, "unload", model).await,
        }
    })?;
    writeln!(std::io::stdout(), "{said}")?;
    Ok(())
}

async fn change(server: &Remote, what: &str, model: &str) -> anyhow::Result<String> {
    let body = serde_json::json!({"model": model});
    let model: AdminModel = server.post(&format!("{PATH}/{what}"), &body).await?.json().await?;
    Ok(format!("{}: {}", model.id, name(model.status)))
}

fn table(models: &AdminModelList) -> String {
    let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
    let mut lines = vec![format!("{:40}  {:9}  {:>9}", "model", "status", "memory MB")];
    for model in &models.data {
        let memory = megabytes(model.memory_bytes);
        let error = model.error.as_ref().map(|error| format!("  {error}")).unwrap_or_default();
        lines.push(format!("{:40}  {:9}  {memory:>9}{error}", model.id, name(model.status)));
    }
    let limit = models.memory_limit_bytes.map(|limit| format!(" of {}", megabytes(limit))).unwrap_or_default();
    lines.push(format!("Together they take {}{limit} MB.", megabytes(models.memory_bytes)));
    lines.join("\n")
}

fn name(status: ModelStatus) -> &'static str {
    match status {
        ModelStatus::Loaded => "loaded",
        ModelStatus::Loading => "loading",
        ModelStatus::Unloading => "unloading",
        ModelStatus::Unloaded => "unloaded",
        ModelStatus::Failed => "failed",
    }
}
