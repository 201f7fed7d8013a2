//! A Zyron server in this process, asked over HTTP as any client would.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use futures::{StreamExt, pin_mut};
use reqwest::Client;
use serde_json::json;
use tokio::net::TcpListener;
use zyron_engine::{Engine, Model};
use zyron_openapi::{ChatCompletionChunk, FinishReason, sse};
use zyron_server::App;
use zyron_server::config::Config;

use crate::layer::Timing;

pub(crate) struct OverHttp {
    client: Client,
    url: String,
    model: String,
}

impl OverHttp {
    pub(crate) async fn start(model: &Arc<Model>, engine: Arc<dyn Engine>) -> anyhow::Result<Self> {
        let app = App::new(Config::load(None, &[])?, None)?;
        app.serve_model(Arc::clone(model), engine);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/v1/chat/completions", listener.local_addr()?);
        tokio::spawn(async move { app.run(listener, std::future::pending()).await });
        Ok(Self { client: Client::new(), url, model: model.id.clone() })
    }

    pub(crate) async fn chat(&self, question: &str, tokens: usize) -> anyhow::Result<Timing> {
        let body = json!({
            "model": self.model,
            "messages": [{"role": "user", "content": question}],
            "temperature": 0,
            "max_tokens": tokens,
            "stream": true,
        });
        let start = Instant::now();
        let response = self.client.post(&self.url).json(&body).send().await?.error_for_status()?;
        let chunks = sse::decode::<ChatCompletionChunk, _, _>(response.bytes_stream());
        pin_mut!(chunks);
        let (mut first, mut reason) = (None, None);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            let choice = chunk.choices.first().context("a chunk without a choice")?;
            if choice.delta.content.as_ref().is_some_and(|text| !text.is_empty()) {
                first.get_or_insert_with(Instant::now);
            }
            reason = reason.or(choice.finish_reason);
        }
        let first = first.context("Zyron said nothing")?;
        anyhow::ensure!(reason == Some(FinishReason::Length), "the answer ended before {tokens} tokens");
        Ok(Timing { first: first - start, rest: first.elapsed(), tokens })
    }
}
