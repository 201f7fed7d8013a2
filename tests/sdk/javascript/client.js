// The servers under test, the clients of all tests, and what they ask with them. The clients never retry, so that no
// failure is hidden, and wait a minute at most, so that no answer is waited for in vain.
//
// `real` serves a small model, one request at a time. `scripted` serves none: it repeats what follows `say `, writes
// whatever a constraint allows, and keeps responses. `busy` is a scripted server with one place and no queue.

import assert from "node:assert/strict";

import OpenAI from "openai";

const urlOf = (variable) => {
  const url = process.env[variable];
  assert(url, `${variable} is not set; \`cargo xtask test\` starts a server and sets it`);
  return url;
};

/// A server, and a question and a prompt that have it say a sentence.
class Server {
  constructor(name, variable, question, prompt) {
    this.name = name;
    this.url = urlOf(variable);
    this.question = question;
    this.prompt = prompt;
    // No key is needed on loopback, but the client insists on one.
    this.options = { baseURL: `${this.url}/v1`, apiKey: "none", maxRetries: 0, timeout: 60_000 };
    this.client = new OpenAI(this.options);
  }

  async start() {
    [this.model] = (await this.client.models.list()).data;
    return this;
  }

  /// The fields of a chat completion: greedy and short, unless told otherwise.
  asked(options = {}) {
    const messages = [{ role: "user", content: this.question }];
    return { model: this.model.id, messages, temperature: 0, max_tokens: 32, ...options };
  }

  ask(options) {
    return this.client.chat.completions.create(this.asked(options));
  }

  complete(options) {
    const defaults = { model: this.model.id, prompt: this.prompt, temperature: 0, max_tokens: 16 };
    return this.client.completions.create({ ...defaults, ...options });
  }

  /// The fields of a response: greedy and short, unless told otherwise.
  responded(options = {}) {
    return { model: this.model.id, input: this.question, temperature: 0, max_output_tokens: 16, ...options };
  }

  respond(options) {
    return this.client.responses.create(this.responded(options));
  }
}

const words = "say Apples, pears and plums are fruits.";
const start = (...server) => new Server(...server).start();
export const real = await start("real", "ZYRON_BASE_URL", "List three fruits.", "The capital of France is");
export const scripted = await start("scripted", "ZYRON_SCRIPTED_URL", words, words);
export const busy = await start("busy", "ZYRON_BUSY_URL", "say Hello.", "say Hello.");

/// What can be shown on both is shown on both.
export const servers = [real, scripted];

export const { client, model } = real;
export const ask = (options) => real.ask(options);
export const complete = (options) => real.complete(options);

export const chunksOf = async (stream) => Array.fromAsync(await stream);

/// A user's words, as messages.
export const user = (content) => [{ role: "user", content }];

/// The text of a whole answer, or of all chunks of a streamed one.
export const textOf = (answer) =>
  [answer]
    .flat()
    .flatMap((part) => part.choices)
    .map((choice) => choice.text ?? (choice.message ?? choice.delta).content ?? "")
    .join("");

/// Stop strings cut out of an answer that is known, each with what must be left of the answer.
export function stopsOf(text) {
  const words = [...text.matchAll(/\S+/g)];
  assert(words.length >= 8, `too short to cut: ${text}`);
  const start = words[4].index;
  const end = start + words[4][0].length;
  const stops = [text.slice(start, end), text.slice(end - 1, end + 2), text[0]];
  return stops.map((stop) => ({ stop, left: text.slice(0, text.indexOf(stop)) }));
}

/// A stop string that the answer begins but does not finish: all of the answer must come out.
export const almostMet = (text) => `${text.slice(-3)}\u0001`;
