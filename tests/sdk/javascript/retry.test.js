import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";

import { busy, textOf, user } from "./client.js";

test("a full server is asked again until there is room", async () => {
  const leaving = new AbortController();
  const stalled = busy.client.chat.completions.create(
    busy.asked({ messages: user("stall"), stream: true }),
    { signal: leaving.signal },
  );
  const left = assert.rejects(stalled, OpenAI.APIUserAbortError);
  // It is full once it refuses another.
  for (let full = false; !full;) {
    full = await busy.ask().then(() => false, (error) => error instanceof OpenAI.RateLimitError || assert.fail(error));
  }

  const statuses = [];
  const watched = async (...request) => {
    const response = await fetch(...request);
    statuses.push(response.status);
    // The place is free before the client comes back.
    if (response.status === 429) {
      assert(Number(response.headers.get("retry-after-ms")) > 0);
      leaving.abort();
    }
    return response;
  };
  const patient = new OpenAI({ ...busy.options, maxRetries: 2, fetch: watched });
  assert.equal(textOf(await patient.chat.completions.create(busy.asked())), "Hello.");
  assert.deepEqual(statuses, [429, 200]);
  await left;
});
