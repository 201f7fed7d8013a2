//! `POST /v1/responses` and the answers it keeps: the request, the answer and the events of a streamed one.

mod events;
mod request;
mod response;

pub use events::{ResponseEvent, StreamLogprob, StreamTopLogprob};
pub use request::{
    InputContentPart, InputItem, InputMessageContent, ResponseInput, ResponseReasoning, ResponseRequest,
    ResponseStreamOptions, ResponseTextConfig, ResponseTextFormat, ResponseTool, ResponseToolChoice, ToolReference,
    ToolSelection,
};
pub use response::{
    FunctionToolCall, IncompleteDetails, IncompleteReason, InputTokensDetails, ItemStatus, OutputContent, OutputItem,
    OutputLogprob, OutputMessage, OutputTextContent, OutputTokensDetails, OutputTopLogprob, Response, ResponseDeleted,
    ResponseError, ResponseErrorCode, ResponseStatus, ResponseUsage,
};
