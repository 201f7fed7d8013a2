import assert from "node:assert/strict";
import { test } from "node:test";

import { ask, client, model, textOf } from "./client.js";

// The two tokens that end an answer of this model. Without them it goes on until its limit.
const ENDLESS = { logit_bias: { 0: -100, 2: -100 } };

test("a client that leaves makes room at once", async () => {
  const stream = await ask({ max_tokens: 4000, stream: true, ...ENDLESS });
  for await (const chunk of stream) {
    assert(chunk.id);
    break;
  }
  // The abandoned answer would take longer than this.
  const messages = [{ role: "user", content: "Hello." }];
  const options = { model: model.id, messages, max_tokens: 2 };
  const answer = await client.chat.completions.create(options, { timeout: 15_000 });
  assert.equal(answer.usage.completion_tokens, 2);
});

test("two clients are both answered", async () => {
  const [first, second] = await Promise.all([ask({ max_tokens: 8 }), ask({ max_tokens: 8 })]);
  assert.equal(textOf(first), textOf(second));
  assert.notEqual(first.id, second.id);
});

test("every answer has a request id", async () => {
  const { data, response, request_id } = await ask({ max_tokens: 1 }).withResponse();
  assert(request_id);
  assert.equal(response.headers.get("x-request-id"), request_id);
  assert.equal(data._request_id, request_id);
});
