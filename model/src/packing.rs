//! Documents to windows of tokens: which are read, and which of them are learnt.

use std::collections::BTreeMap;

use anyhow::Context;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use zyron_engine::template::NamedTokens;
use zyron_engine::{ChatTemplate, Conversation, Tokenizer};

use crate::document::{Body, Document};

/// The template that conversations are rendered with.
pub(crate) const TEMPLATE: &str = include_str!("chat_template.jinja");

/// A window is at least so long, so that each kind has something that fits.
pub(crate) const SHORTEST_WINDOW: usize = 256;

/// A row of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// As many as the window is long, and one more: each predicts the next.
    pub(crate) tokens: Vec<u32>,
    /// Whether each token but the first is learnt.
    pub(crate) learnt: Vec<bool>,
}

/// Token ids of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Encoded {
    tokens: Vec<u32>,
    learnt: Vec<bool>,
    /// Whether it may be cut anywhere.
    is_text: bool,
}

/// Turns documents into tokens as the server does.
pub(crate) struct Encoder {
    tokenizer: Tokenizer,
    template: ChatTemplate,
}

impl Encoder {
    pub(crate) fn new(tokenizer: Tokenizer) -> anyhow::Result<Self> {
        let tokens = NamedTokens { bos: Some("<s>".to_owned()), eos: Some("</s>".to_owned()) };
        Ok(Self { tokenizer, template: ChatTemplate::new(TEMPLATE, tokens)? })
    }

    pub(crate) fn vocabulary_size(&self) -> usize {
        self.tokenizer.vocabulary_size()
    }

    fn encode(&self, document: &Document) -> anyhow::Result<Encoded> {
        match &document.body {
            Body::Text(text) => {
                let mut tokens = self.tokenizer.encode(text, true)?;
                tokens.push(self.id("</s>")?);
                let learnt = vec![true; tokens.len()];
                Ok(Encoded { tokens, learnt, is_text: true })
            }
            Body::Chat { messages, tools } => {
                let conversation =
                    Conversation { messages: messages.clone(), tools: tools.clone(), ..Conversation::default() };
                let tokens = self.tokenizer.encode_rendered(&self.template.render(&conversation)?)?;
                let learnt = self.answers(&tokens)?;
                Ok(Encoded { tokens, learnt, is_text: false })
            }
        }
    }

    /// What the assistant says: after a question or a tool's result, up to and with the end.
    fn answers(&self, tokens: &[u32]) -> anyhow::Result<Vec<bool>> {
        let begins = [self.id("[/INST]")?, self.id("[/TOOL_RESULTS]")?];
        let end = self.id("</s>")?;
        let mut is_answer = false;
        let mark = |&token: &u32| {
            let is_learnt = is_answer;
            is_answer = begins.contains(&token) || (is_answer && token != end);
            is_learnt && !begins.contains(&token)
        };
        Ok(tokens.iter().map(mark).collect())
    }

    fn id(&self, token: &str) -> anyhow::Result<u32> {
        self.tokenizer.token_id(token).with_context(|| format!("the vocabulary has no {token}"))
    }
}

/// The documents of each kind, in an order that begins anew when it ends.
pub(crate) struct Mixture {
    kinds: Vec<Kind>,
}

struct Kind {
    name: String,
    documents: Vec<Encoded>,
    weight: f64,
    taken: f64,
    order: Vec<usize>,
    rng: ChaCha8Rng,
}

impl Mixture {
    /// `weights` says which part of the tokens that are learnt comes from each kind; kinds that it leaves out are not
    /// taken.
    pub(crate) fn new(
        encoder: &Encoder,
        documents: &[Document],
        weights: &BTreeMap<String, f64>,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let mut kinds = Vec::new();
        for (name, &weight) in weights {
            let of_kind: Vec<&Document> = documents.iter().filter(|document| document.kind == *name).collect();
            let documents: Vec<Encoded> =
                of_kind.par_iter().map(|document| encoder.encode(document)).collect::<anyhow::Result<_>>()?;
            let shortest =
                documents.iter().map(|document| if document.is_text { 0 } else { document.tokens.len() }).min();
            anyhow::ensure!(
                shortest.is_some_and(|shortest| shortest <= SHORTEST_WINDOW),
                "the corpus has no documents of the kind `{name}`, or only long ones"
            );
            let rng = ChaCha8Rng::seed_from_u64(seed ^ kinds.len() as u64);
            kinds.push(Kind { name: name.clone(), documents, weight, taken: 0.0, order: Vec::new(), rng });
        }
        Ok(Self { kinds })
    }

    /// `count` windows of `length` tokens that are read. Conversations are whole in one window, texts are cut.
    pub(crate) fn windows(&mut self, count: usize, length: usize) -> Vec<Window> {
        let mut open = Vec::new();
        let mut windows = Vec::new();
        let mut cut: Option<Encoded> = None;
        while windows.len() < count {
            let document = match cut.take() {
                Some(rest) => rest,
                None => self.next(length),
            };
            // The first open window with room, or a new one; a window that is nearly full is closed.
            let place = open.iter().position(|window: &Encoded| {
                let room = length + 1 - window.tokens.len();
                room >= document.tokens.len() || (document.is_text && room > length / 4)
            });
            let mut window = match place {
                Some(place) => open.swap_remove(place),
                None => Encoded { tokens: Vec::new(), learnt: Vec::new(), is_text: false },
            };
            let part = (length + 1 - window.tokens.len()).min(document.tokens.len());
            window.tokens.extend(&document.tokens[..part]);
            window.learnt.extend(&document.learnt[..part]);
            if part < document.tokens.len() {
                let (tokens, learnt) = (document.tokens[part..].to_vec(), document.learnt[part..].to_vec());
                cut = Some(Encoded { tokens, learnt, is_text: true });
            }
            if window.tokens.len() + length / 16 > length || open.len() > 16 {
                windows.push(close(window, length));
            } else {
                open.push(window);
            }
        }
        windows
    }

    /// The next document of the kind that has had least of its part. A conversation that fits no window is passed over.
    fn next(&mut self, length: usize) -> Encoded {
        let behind = |kind: &&mut Kind| kind.taken / kind.weight;
        let kind = self.kinds.iter_mut().min_by(|one, other| behind(one).total_cmp(&behind(other)));
        let kind = kind.expect("a mixture has a kind");
        let document = loop {
            if kind.order.is_empty() {
                kind.order = (0..kind.documents.len()).collect();
                kind.order.shuffle(&mut kind.rng);
            }
            let document = &kind.documents[kind.order.pop().expect("it was just filled")];
            if document.is_text || document.tokens.len() <= length + 1 {
                break document.clone();
            }
        };
        kind.taken += document.learnt.iter().filter(|&&is_learnt| is_learnt).count() as f64;
        document
    }

    /// How often each kind has been read, in documents.
    pub(crate) fn epochs(&self) -> impl Iterator<Item = (&str, f64)> {
        self.kinds.iter().map(|kind| {
            let learnt = kind.documents.iter().flat_map(|document| &document.learnt).filter(|&&is_learnt| is_learnt);
            (kind.name.as_str(), kind.taken / learnt.count() as f64)
        })
    }
}

/// Fills up with what is read and not learnt.
fn close(window: Encoded, length: usize) -> Window {
    let Encoded { mut tokens, mut learnt, .. } = window;
    tokens.resize(length + 1, 0);
    learnt.resize(length + 1, false);
    learnt.remove(0);
    Window { tokens, learnt }
}

#[cfg(test)]
mod tests {
    use zyron_engine::Tokenizer;

    use super::{Encoder, Mixture};
    use crate::document::{Body, Document, assistant, user};
    use crate::vocabulary;

    fn encoder(folder: &tempfile::TempDir) -> Encoder {
        let texts = vec!["Le bilan décrit le patrimoine. {\"name\": \"calculer\"}".to_owned(); 9];
        let path = folder.path().join("tokenizer.json");
        vocabulary::train(texts, 330).unwrap().save(&path, false).unwrap();
        Encoder::new(Tokenizer::from_file(&path, [2].into()).unwrap()).unwrap()
    }

    #[test]
    fn only_answers_are_learnt() {
        let folder = tempfile::TempDir::new().unwrap();
        let encoder = encoder(&folder);
        let call = serde_json::json!({"function": {"name": "calculer", "arguments": {"a": 1}}});
        let messages = vec![
            user("Le bilan ?"),
            serde_json::json!({"role": "assistant", "content": "", "tool_calls": [call]}),
            serde_json::json!({"role": "tool", "content": "7"}),
            assistant("Le patrimoine."),
        ];
        let tools = vec![serde_json::json!({"type": "function", "function": {"name": "calculer"}})];
        let document = Document { kind: "tools".to_owned(), body: Body::Chat { messages, tools } };
        let encoded = encoder.encode(&document).unwrap();
        let learnt: Vec<u8> = encoded
            .tokens
            .iter()
            .zip(&encoded.learnt)
            .filter(|(_, learnt)| **learnt)
            .flat_map(|(&id, _)| encoder.tokenizer.shown_bytes(id).into_owned())
            .collect();
        let learnt = String::from_utf8(learnt).unwrap();
        assert_eq!(learnt, "[TOOL_CALLS][{\"name\": \"calculer\", \"arguments\": {\"a\": 1}}]</s>Le patrimoine.</s>");
    }

    #[test]
    fn conversations_are_whole_and_texts_are_cut() {
        let folder = tempfile::TempDir::new().unwrap();
        let encoder = encoder(&folder);
        let documents: Vec<Document> = (1..40)
            .map(|at| match at % 2 {
                0 => Document::text("fiche", "Le bilan décrit le patrimoine. ".repeat(at * 5)),
                _ => Document::exchange("question", "Le bilan ?", "Le patrimoine. ".repeat(at / 2)),
            })
            .collect();
        let weights = [("fiche".to_owned(), 0.5), ("question".to_owned(), 0.5)].into();
        let mut mixture = Mixture::new(&encoder, &documents, &weights, 1).unwrap();
        let (begin, end) = (encoder.id("[INST]").unwrap(), encoder.id("[/INST]").unwrap());
        for window in mixture.windows(60, 256) {
            assert_eq!((window.tokens.len(), window.learnt.len()), (257, 256));
            let count = |of: u32| window.tokens.iter().filter(|&&id| id == of).count();
            assert_eq!(count(begin), count(end));
            assert!(window.learnt.iter().any(|&learnt| learnt));
        }
        let [fiche, question] = &mixture.kinds[..] else { panic!("there are two kinds") };
        assert!((fiche.taken / question.taken - 1.0).abs() < 0.2, "{} {}", fiche.taken, question.taken);
    }
}
