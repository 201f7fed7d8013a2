//! The finance extensions of a chat completion, and the request for a commentary as a chat completion.

use serde_json::json;
use zyron_engine::{Tokenizer, ToolChoice, ToolFormat};
use zyron_finance::facts::SheetFact;
use zyron_finance::statement::InvalidStatement;
use zyron_finance::templates::{self, Input};
use zyron_finance::{Desk, Statement, tools};
use zyron_openapi::finance::{ServerToolCall, UsedTemplate};
use zyron_openapi::tools::{FunctionCall, FunctionObject};
use zyron_openapi::{
    ChatCompletionMessageParam, ChatCompletionRequest, ChatCompletionTool, FinanceAnalysisRequest, Role,
};

use super::{Ask, messages};
use crate::error::ApiError;

/// What the numbers of an answer are checked against.
pub(crate) struct Finance {
    /// The figures.
    pub(crate) facts: Vec<SheetFact>,
    /// What was said to the model: numbers in it are no inventions.
    pub(crate) question: String,
    /// What the commentary is written by.
    pub(crate) template: Option<UsedTemplate>,
}

/// How an answer goes on whose tools the server runs.
pub(crate) struct Plan {
    pub(crate) desk: Desk,
    pub(crate) ask: Ask,
    /// How calls stand in the text.
    pub(crate) tools: Option<ToolFormat>,
}

impl Plan {
    /// How an answer to `ask` goes on. The tokens that are asked for are for all rounds, the last of which may end where
    /// the context does.
    pub(super) fn new(desk: Desk, ask: Ask, tools: Option<ToolFormat>) -> Self {
        let asked = ask.max_tokens.map(|(_, tokens)| usize::try_from(tokens).unwrap_or(usize::MAX));
        let most_tokens = asked.unwrap_or(ask.most_tokens);
        Self { desk, ask: Ask { max_tokens: None, most_tokens, ..ask }, tools }
    }

    /// Adds what was said and what tools gave, after which `used` tokens fewer may be generated and, where
    /// `is_enough`, no tool be called. Whether there is room for more.
    pub(crate) fn go_on<'a>(
        &mut self,
        content: &str,
        ran: impl Iterator<Item = &'a ServerToolCall>,
        used: u64,
        is_enough: bool,
        tokenizer: &Tokenizer,
    ) -> bool {
        let (mut calls, mut results) = (Vec::new(), Vec::new());
        for ServerToolCall { id, function: FunctionCall { name, arguments }, result, .. } in ran {
            let arguments = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
            calls.push(messages::call(id, name, arguments));
            results.push(json!({"role": "tool", "tool_call_id": id, "name": name, "content": result.to_string()}));
        }
        let said = json!({"role": "assistant", "content": content, "tool_calls": calls});
        let new = std::iter::once(said).chain(results).map(|message| messages::protect(message, tokenizer));
        self.ask.conversation.messages.extend(new);
        self.ask.conversation.add_generation_prompt = true;
        if is_enough {
            self.ask.tools = None;
            self.ask.conversation.tools.clear();
        }
        if let Some(tools) = &mut self.ask.tools {
            tools.choice = ToolChoice::Auto;
        }
        self.ask.most_tokens = self.ask.most_tokens.saturating_sub(used as usize);
        self.ask.most_tokens > 0
    }
}

/// What a chat completion asks of `finance`.
pub(super) struct Asked {
    /// The accounts.
    pub(super) statement: Option<Box<Statement>>,
    /// Whether the server runs tools.
    pub(super) has_tools: bool,
}

/// What a chat completion asks of `finance`, taken out of it.
pub(super) fn take(request: &mut ChatCompletionRequest) -> Result<Option<Asked>, ApiError> {
    let names = request.zyron_tools.take().unwrap_or_default();
    if let Some(at) = names.iter().position(|name| name != "finance") {
        return Err(ApiError::invalid(format!("zyron_tools[{at}]"), "The server has tools for `finance` only."));
    }
    let has_tools = !names.is_empty();
    if has_tools {
        let others = [
            ("continue_final_message", !request.continue_final_message.unwrap_or(false)),
            ("tools", request.tools.as_ref().is_none_or(Vec::is_empty)),
            ("n", request.n.unwrap_or(1) == 1),
            ("logprobs", !request.logprobs.unwrap_or(false)),
        ];
        if let Some((name, _)) = others.into_iter().find(|(_, is_absent)| !is_absent) {
            return Err(ApiError::unsupported(name, format!("`{name}` cannot be given beside `zyron_tools`.")));
        }
        request.tools = Some(tools::all().into_iter().map(tool).collect());
    }
    let statement = request.zyron_statement.take();
    check("zyron_statement", statement.as_deref())?;
    let is_asked = has_tools || statement.is_some();
    Ok(is_asked.then_some(Asked { statement, has_tools }))
}

fn check(param: &str, statement: Option<&Statement>) -> Result<(), ApiError> {
    let Some(statement) = statement else { return Ok(()) };
    let invalid =
        |error: InvalidStatement| ApiError::invalid(format!("{param}.{}", error.field), format!("{}.", error.message));
    statement.check().map_err(invalid)
}

/// A statement on a desk. To analyse many years takes a while.
pub(super) async fn desk(statement: Option<Box<Statement>>) -> Result<Desk, ApiError> {
    let work = move || Desk::new(statement.map(|statement| *statement));
    tokio::task::spawn_blocking(work).await.map_err(|_| ApiError::Internal)
}

fn tool(tool: tools::Tool) -> ChatCompletionTool {
    let function = FunctionObject {
        name: tool.name.to_owned(),
        description: Some(tool.description.to_owned()),
        parameters: Some(tool.parameters),
        strict: Some(true),
    };
    ChatCompletionTool { kind: "function".to_owned(), function: Some(function), custom: None }
}

/// What others than the assistant have said.
pub(super) fn question(messages: &[ChatCompletionMessageParam]) -> String {
    let said = messages.iter().filter(|message| message.role != Role::Assistant);
    // What is no text is refused when the messages are read.
    let texts = said.filter_map(|message| messages::text_of(message.content.as_ref()?, "").ok());
    texts.collect::<Vec<_>>().join("\n")
}

/// Messages of a commentary that are put before the request's own.
pub(super) const BEFORE: usize = 2;

/// An error in terms of the request for a commentary, whose statement is what is long.
pub(super) fn as_of_commentary(mut error: ApiError) -> ApiError {
    if let ApiError::ContextLengthExceeded { param, .. } = &mut error {
        *param = "statement";
    }
    error
}

/// What is asked for without a template.
const INSTRUCTIONS: &str = "Tu es analyste financier. Réponds à la question en français, à partir des seuls éléments \
                            fournis. N’écris aucun chiffre qui n’y soit pas ou qui n’en découle pas par une opération \
                            simple. Dis ce qu’ils ne permettent pas de savoir.";

/// A commentary as a chat completion, and what the numbers of its answer are checked against.
pub(super) async fn commentary(
    request: FinanceAnalysisRequest,
) -> Result<(ChatCompletionRequest, Option<Desk>, Finance), ApiError> {
    let template = request.template.as_deref().map(|id| {
        let known = || templates::all().iter().map(|template| format!("`{}`", template.id)).collect::<Vec<_>>();
        let unknown = || ApiError::invalid("template", format!("`template` is one of {}.", known().join(", ")));
        templates::template(id).ok_or_else(unknown)
    });
    let template = template.transpose()?;
    let is_empty = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
    if template.is_none() && is_empty(&request.question) {
        return Err(ApiError::missing("question", "Ask something, or name a `template`."));
    }
    match template.map(|template| template.input) {
        Some(Input::Statement) if request.statement.is_none() => {
            return Err(ApiError::missing("statement", "This template is about a company's accounts."));
        }
        Some(Input::Text) if is_empty(&request.text) => {
            return Err(ApiError::missing("text", "This template is about a text."));
        }
        _ => {}
    }
    check("statement", request.statement.as_deref())?;
    let desk = match request.statement {
        Some(statement) => Some(desk(Some(statement)).await?),
        None => None,
    };
    let mut parts: Vec<&str> = desk.iter().map(|desk| desk.sheet().text.as_str()).collect();
    parts.extend(request.text.as_deref());
    parts.extend(request.question.as_deref());
    let instructions = template.map_or(INSTRUCTIONS, |template| template.instructions);
    let mut messages = vec![
        ChatCompletionMessageParam::text(Role::System, instructions),
        ChatCompletionMessageParam::text(Role::User, parts.join("\n\n")),
    ];
    let since = request.messages.unwrap_or_default();
    let said = [request.text, request.question].into_iter().flatten().collect::<Vec<_>>().join("\n");
    let finance = Finance {
        facts: desk.iter().flat_map(|desk| desk.sheet().facts.clone()).collect(),
        question: said + "\n" + &question(&since),
        template: template.map(|template| UsedTemplate { id: template.id.to_owned(), version: template.version }),
    };
    if since.last().is_some_and(|last| last.role != Role::User) {
        return Err(ApiError::invalid("messages", "The last message must be the user's."));
    }
    messages.extend(since);
    let request = ChatCompletionRequest {
        messages,
        model: request.model,
        zyron_tools: request.zyron_tools,
        zyron_provenance: request.zyron_provenance,
        stream: request.stream,
        stream_options: request.stream_options,
        max_completion_tokens: request.max_completion_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        frequency_penalty: request.frequency_penalty,
        presence_penalty: request.presence_penalty,
        seed: request.seed,
        stop: request.stop,
        ..ChatCompletionRequest::default()
    };
    Ok((request, desk, finance))
}
