// The client of all tests, and what they ask with it. It never retries, so that no failure is hidden, and waits a
// minute at most, so that no answer is waited for in vain.

import assert from "node:assert/strict";

import OpenAI from "openai";

const url = process.env.ZYRON_BASE_URL;
assert(url, "ZYRON_BASE_URL is not set; `cargo xtask test` starts a server and sets it");

// No key is needed on loopback, but the client insists on one.
export const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0, timeout: 60_000 });

export const [model] = (await client.models.list()).data;

const FRUITS = [{ role: "user", content: "List three fruits." }];

/// Asks greedily, for a short answer, unless told otherwise.
export const ask = (options = {}) =>
  client.chat.completions.create({ model: model.id, messages: FRUITS, temperature: 0, max_tokens: 32, ...options });

/// Continues a text greedily, and shortly, unless told otherwise.
export const complete = (options = {}) =>
  client.completions.create({
    model: model.id,
    prompt: "The capital of France is",
    temperature: 0,
    max_tokens: 16,
    ...options,
  });

export const chunksOf = async (stream) => Array.fromAsync(await stream);

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
