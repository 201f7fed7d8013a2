import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";

import { ask, client, complete, model } from "./client.js";

const refused = async (kind, promise) => {
  const error = await promise.then(() => assert.fail("it was accepted"), (error) => error);
  assert(error instanceof kind, `${error}`);
  assert.equal(error.type, "invalid_request_error");
  assert(error.requestID, "an error can be looked up in the log");
  return error;
};

for (const [param, options] of [
  ["temperature", { temperature: 3 }],
  ["top_p", { top_p: 1.5 }],
  ["messages", { messages: [] }],
  ["n", { n: 0 }],
  ["audio", { audio: { format: "mp3", voice: "alloy" } }],
  ["prediction", { prediction: { type: "content", content: "Hello." } }],
]) {
  test(`the field at fault is named: ${param}`, async () => {
    assert.equal((await refused(OpenAI.BadRequestError, ask(options))).param, param);
  });
}

test("an unknown field is refused", async () => {
  assert.equal((await refused(OpenAI.BadRequestError, ask({ tempreature: 1 }))).param, "tempreature");
});

test("an unknown model is not found", async () => {
  const error = await refused(OpenAI.NotFoundError, ask({ model: "no-such-model" }));
  assert.equal(error.code, "model_not_found");
  assert.equal(error.param, "model");
});

for (const stream of [false, true]) {
  test(`a prompt that is too long is refused with both numbers (stream: ${stream})`, async () => {
    const words = 10_000;
    const messages = [{ role: "user", content: "word ".repeat(words) }];
    const error = await refused(OpenAI.BadRequestError, ask({ messages, stream }));
    assert.equal(error.code, "context_length_exceeded");
    const numbers = error.message.match(/\d+/g).map(Number);
    assert.equal(model.context_length, 8192);
    assert(numbers.includes(8192), error.message);
    assert(numbers.some((number) => number >= words && number < words + 100), error.message);
  });
}

test("a completion is refused alike", async () => {
  assert.equal((await refused(OpenAI.BadRequestError, complete({ best_of: 1, n: 2 }))).param, "best_of");
});

test("a path that does not exist has the same error", async () => {
  await refused(OpenAI.NotFoundError, client.moderations.create({ input: "Hello" }));
});
