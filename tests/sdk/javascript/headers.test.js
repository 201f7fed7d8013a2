import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";

import { servers } from "./client.js";

const checked = (headers) => {
  assert.equal(headers.get("openai-version"), "2020-10-01");
  assert.match(headers.get("openai-processing-ms"), /^\d+$/);
  return headers.get("x-request-id");
};

for (const server of servers) {
  test(`of answers, streams and errors (${server.name})`, async () => {
    const options = { headers: { "X-Request-Id": "dossier-42_a" } };
    const { completions } = server.client.chat;
    const whole = await completions.create(server.asked({ max_tokens: 1 }), options).withResponse();
    assert.equal(checked(whole.response.headers), "dossier-42_a");
    assert.equal(whole.data._request_id, "dossier-42_a");
    const streamed = await completions.create(server.asked({ max_tokens: 1, stream: true }), options).withResponse();
    assert.equal(checked(streamed.response.headers), "dossier-42_a");
    await Array.fromAsync(streamed.data);
    const error = await server.ask({ temperature: 3 }).then(() => assert.fail("it was accepted"), (error) => error);
    assert(error instanceof OpenAI.BadRequestError);
    assert.equal(checked(error.headers), error.requestID);
  });
}
