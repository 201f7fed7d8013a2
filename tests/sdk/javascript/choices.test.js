import assert from "node:assert/strict";
import { test } from "node:test";

import { chunksOf, real, scripted, servers, textOf } from "./client.js";

const CHANCE = { temperature: 1, seed: 7, max_tokens: 12 };
const messagesOf = (answer) => answer.choices.map((choice) => choice.message.content);

for (const server of servers) {
  test(`several choices, whole and streamed (${server.name})`, async () => {
    const whole = await server.ask({ n: 3, ...CHANCE });
    assert.deepEqual(whole.choices.map((choice) => choice.index), [0, 1, 2]);
    const chunks = await chunksOf(server.ask({ n: 3, ...CHANCE, stream: true }));
    const texts = ["", "", ""];
    for (const choice of chunks.flatMap((chunk) => chunk.choices)) {
      texts[choice.index] += choice.delta.content ?? "";
    }
    assert.deepEqual(texts, messagesOf(whole));
  });

  test(`the client's own stream helper tells choices apart (${server.name})`, async () => {
    const stream = server.client.chat.completions.stream(server.asked({ n: 2, ...CHANCE }));
    assert.deepEqual(messagesOf(await stream.finalChatCompletion()), messagesOf(await server.ask({ n: 2, ...CHANCE })));
  });

  test(`log-probabilities (${server.name})`, async () => {
    const options = { logprobs: true, top_logprobs: 2, max_tokens: 8 };
    const answer = await server.ask(options);
    const entries = answer.choices[0].logprobs.content;
    const bytes = Buffer.from(entries.flatMap((entry) => entry.bytes));
    assert.equal(bytes.toString(), textOf(answer));
    assert(entries.every((entry) => entry.logprob <= 0 && entry.top_logprobs.length === 2));
    const chunks = await chunksOf(server.ask({ ...options, stream: true }));
    const streamed = chunks.flatMap((chunk) => chunk.choices).flatMap((choice) => choice.logprobs?.content ?? []);
    assert.deepEqual(streamed, entries);
  });

  test(`the prompt's log-probabilities (${server.name})`, async () => {
    const answer = await server.complete({ echo: true, logprobs: 1, max_tokens: 1 });
    const { token_logprobs, tokens } = answer.choices[0].logprobs;
    assert(textOf(answer).startsWith(server.prompt));
    assert.equal(tokens.length, answer.usage.prompt_tokens + 1);
    assert.equal(token_logprobs[0], null);
    assert(token_logprobs.slice(1).every((logprob) => logprob <= 0));
  });
}

test("several prompts are answered in order", async () => {
  const answer = await scripted.complete({ prompt: ["say one", "say two"], n: 2 });
  assert.deepEqual(answer.choices.map((choice) => choice.index), [0, 1, 2, 3]);
  assert.deepEqual(answer.choices.map((choice) => choice.text), ["one", "one", "two", "two"]);
});

test("the best of several is given", async () => {
  const every = await real.complete({ ...CHANCE, n: 3, logprobs: 0 });
  const best = await real.complete({ ...CHANCE, best_of: 3, logprobs: 0 });
  assert(every.choices.some((choice) => choice.text === textOf(best)));
});
