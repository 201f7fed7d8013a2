import assert from "node:assert/strict";
import { test } from "node:test";

import { chunksOf, complete, model, stopsOf, textOf } from "./client.js";

test("a whole answer keeps its leading space", async () => {
  const answer = await complete();
  assert.match(answer.id, /^cmpl-/);
  assert.equal(answer.object, "text_completion");
  assert.equal(answer.model, model.id);
  assert(textOf(answer).startsWith(" Paris"));
});

test("so does a stream, which says the same", async () => {
  const chunks = await chunksOf(complete({ stream: true }));
  assert(chunks.length > 2, "one chunk is no stream");
  assert.equal(textOf(chunks), textOf(await complete()));
  const reasons = chunks.flatMap((chunk) => chunk.choices).map((choice) => choice.finish_reason);
  assert.equal(reasons.pop(), "length");
  assert(reasons.every((reason) => reason === null));
});

test("usage comes last where it is asked for", async () => {
  const chunks = await chunksOf(complete({ stream: true, stream_options: { include_usage: true } }));
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.deepEqual(last.usage, (await complete()).usage);
});

test("the limit of tokens is exact", async () => {
  const answer = await complete({ max_tokens: 5 });
  assert.equal(answer.choices[0].finish_reason, "length");
  assert.equal(answer.usage.completion_tokens, 5);
});

test("a stop string never leaks", async () => {
  const prompt = "Once upon a time";
  for (const { stop, left } of stopsOf(textOf(await complete({ prompt })))) {
    assert.equal(textOf(await complete({ prompt, stop })), left);
    assert.equal(textOf(await chunksOf(complete({ prompt, stop, stream: true }))), left);
  }
});

// Each of these characters is several tokens of the model, and the model goes on with the pattern.
for (const [pattern, tokens] of [["🎉", 3], ["🚀", 3], ["日本語", 6]]) {
  test(`a character is never cut: ${pattern}`, async () => {
    const options = { prompt: pattern.repeat(8), max_tokens: 4 * tokens };
    const text = textOf(await chunksOf(complete({ ...options, stream: true })));
    assert(text.includes(pattern), "the model was to go on with the pattern");
    assert(!text.includes("\ufffd"));
    assert.equal(text, textOf(await complete(options)));
  });
}
