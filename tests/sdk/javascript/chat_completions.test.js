import assert from "node:assert/strict";
import { test } from "node:test";

import { almostMet, ask, chunksOf, client, model, stopsOf, textOf } from "./client.js";

const COLOURS = [{ role: "user", content: "Name the primary colours." }];

test("a whole answer", async () => {
  const answer = await ask();
  assert.match(answer.id, /^chatcmpl-/);
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.model, model.id);
  assert.equal(answer.choices.length, 1);
  assert.equal(answer.choices[0].message.role, "assistant");
  assert.notEqual(answer.choices[0].message.content.trim(), "");
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test("an answer ends by itself", async () => {
  const answer = await ask({ messages: COLOURS, max_tokens: 256 });
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert(!textOf(answer).includes("<|"), "control tokens are not text");
});

test("a stream says the same as a whole answer", async () => {
  assert.equal(textOf(await chunksOf(ask({ stream: true, seed: 1 }))), textOf(await ask({ seed: 1 })));
});

test("the shape of a stream", async () => {
  const chunks = await chunksOf(ask({ stream: true }));
  assert(chunks.length > 2, "one chunk is no stream");
  assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
  assert(chunks.every((chunk) => chunk.object === "chat.completion.chunk"));
  assert(chunks.every((chunk) => !chunk.usage), "usage was not asked for");
  const choices = chunks.flatMap((chunk) => chunk.choices);
  assert.equal(choices.length, chunks.length);
  const [first, ...others] = choices.map((choice) => choice.delta.role);
  assert.equal(first, "assistant");
  assert(others.every((role) => role === undefined));
  const reasons = choices.map((choice) => choice.finish_reason);
  assert.equal(reasons.pop(), "length");
  assert(reasons.every((reason) => reason === null));
});

test("usage comes last where it is asked for", async () => {
  const chunks = await chunksOf(ask({ stream: true, stream_options: { include_usage: true } }));
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.deepEqual(last.usage, (await ask()).usage);
  assert(chunks.every((chunk) => chunk.usage === null));
  assert.equal(chunks.at(-1).choices[0].finish_reason, "length");
});

test("the client's own stream helper", async () => {
  const options = { messages: COLOURS, max_tokens: 256 };
  const stream = client.chat.completions.stream({ model: model.id, temperature: 0, ...options });
  assert.equal(await stream.finalContent(), textOf(await ask(options)));
});

for (const name of ["max_tokens", "max_completion_tokens"]) {
  test(`the limit of tokens is exact: ${name}`, async () => {
    const answer = await ask({ max_tokens: undefined, [name]: 5 });
    assert.equal(answer.choices[0].finish_reason, "length");
    assert.equal(answer.usage.completion_tokens, 5);
  });
}

test("a stop string never leaks", async () => {
  for (const { stop, left } of stopsOf(textOf(await ask()))) {
    const answer = await ask({ stop });
    assert.equal(textOf(answer), left);
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(textOf(await chunksOf(ask({ stop: [stop], stream: true }))), left);
  }
});

test("a stop string that is almost met holds nothing back", async () => {
  const text = textOf(await ask());
  assert.equal(textOf(await ask({ stop: almostMet(text) })), text);
  assert.equal(textOf(await chunksOf(ask({ stop: almostMet(text), stream: true }))), text);
});

test("a seed makes chance repeatable", async () => {
  const answers = [];
  for (const seed of [7, 7, 8, 9]) {
    answers.push(textOf(await ask({ temperature: 1, seed })));
  }
  assert.equal(answers[0], answers[1]);
  assert(new Set(answers).size > 1);
});
