//! A running server, as the commands that talk to one reach it.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::{Client, RequestBuilder, Response, Url};

use crate::cli::ServerArgs;

/// A server that is asked.
pub(crate) struct Remote {
    client: Client,
    base: String,
    key: Option<String>,
}

impl Remote {
    /// The server that `args` name; no answer of it may take longer than `timeout`.
    ///
    /// # Errors
    /// Where there is no server at such an address.
    pub(crate) fn new(args: &ServerArgs, timeout: Option<Duration>) -> anyhow::Result<Self> {
        let base = args.url.trim_end_matches('/').to_owned();
        let url = Url::parse(&base).with_context(|| format!("`{}` is no address", args.url))?;
        ensure!(matches!(url.scheme(), "http" | "https"), "`{}` is no address of a server", args.url);
        let client = Client::builder();
        let client = match timeout {
            Some(timeout) => client.timeout(timeout),
            None => client,
        };
        let client = client.build().context("no connections can be made")?;
        Ok(Self { client, base, key: std::env::var(&args.key_env).ok() })
    }

    /// As it is shown: where it is.
    pub(crate) fn name(&self) -> &str {
        &self.base
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Response> {
        self.send(self.client.get(format!("{}{path}", self.base)), path).await
    }

    pub(crate) async fn post(&self, path: &str, body: &serde_json::Value) -> anyhow::Result<Response> {
        self.send(self.client.post(format!("{}{path}", self.base)).json(body), path).await
    }

    async fn send(&self, mut request: RequestBuilder, path: &str) -> anyhow::Result<Response> {
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let response = request.send().await.with_context(|| format!("{} does not answer", self.name()))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status if matches!(status.as_u16(), 401 | 403) => {
                bail!("{} wants a key that may do this: name its environment variable with --key-env", self.name())
            }
            status => match message(response).await {
                Some(message) => bail!("{message}"),
                None => bail!("{} answers {status} for {path}", self.name()),
            },
        }
    }
}

/// What the server said, if it is in the form of its errors.
async fn message(response: Response) -> Option<String> {
    let body: serde_json::Value = response.json().await.ok()?;
    Some(body.pointer("/error/message")?.as_str()?.to_owned())
}
