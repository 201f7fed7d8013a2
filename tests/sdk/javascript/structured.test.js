import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

import { ask, servers, textOf, user } from "./client.js";

const Entry = z.object({
  account: z.enum(["401", "512", "607"]),
  amount: z.number().int().min(0).max(9999),
  label: z.string().max(12).nullable(),
  lines: z.array(z.object({ side: z.enum(["débit", "crédit"]) })).max(2),
});
const QUESTION = "Record in the journal: a purchase of goods for 100 euros.";
// An answer of the schema ends by itself; the limit is only for one that never would.
const ENTRY = { messages: user(QUESTION), response_format: zodResponseFormat(Entry, "entry"), max_tokens: 1024 };

for (const server of servers) {
  test(`parse with a zod schema (${server.name})`, async () => {
    const answer = await server.client.chat.completions.parse(server.asked(ENTRY));
    const { content, parsed } = answer.choices[0].message;
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.deepEqual(Entry.parse(JSON.parse(content)), parsed);
  });

  test(`the client's own stream helper parses too (${server.name})`, async () => {
    const stream = server.client.chat.completions.stream(server.asked(ENTRY));
    let snapshot = "";
    stream.on("content.delta", (event) => {
      snapshot = event.snapshot;
    });
    const { content, parsed } = (await stream.finalChatCompletion()).choices[0].message;
    assert.equal(snapshot, content);
    assert.deepEqual(Entry.parse(JSON.parse(content)), parsed);
  });

  test(`parse of a response (${server.name})`, async () => {
    const text = { format: zodTextFormat(Entry, "entry") };
    const response = await server.client.responses.parse(
      server.responded({ input: QUESTION, text, max_output_tokens: 1024 }),
    );
    assert.deepEqual(Entry.parse(JSON.parse(response.output_text)), response.output_parsed);
  });

  test(`constraints under their known names (${server.name})`, async () => {
    const options = { messages: user(QUESTION), max_tokens: 64 };
    assert.match(textOf(await server.ask({ ...options, guided_regex: "[0-9]{4}-[0-9]{2}" })), /^\d{4}-\d{2}$/);
    const guided_choice = ["hausse", "baisse"];
    assert(guided_choice.includes(textOf(await server.ask({ ...options, guided_choice }))));
  });
}

test("what cannot be compiled is named", async () => {
  const error = await ask({ guided_regex: "(" }).then(() => assert.fail("it was accepted"), (error) => error);
  assert(error instanceof OpenAI.BadRequestError);
  assert.equal(error.param, "guided_regex");
});
