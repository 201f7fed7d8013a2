import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";
import { zodResponsesFunction } from "openai/helpers/zod";
import { z } from "zod";

import { chunksOf, real, scripted, servers, textOf } from "./client.js";

const Balance = z.object({ account: z.enum(["401", "512", "607"]) });
const TOOL = zodResponsesFunction({ name: "balance", parameters: Balance });
const ONE_CALL = { tools: [TOOL], tool_choice: "required", parallel_tool_calls: false, max_output_tokens: 512 };
const QUESTION = "What is the balance of account 512?";

for (const server of servers) {
  test(`a response says the same as chat, whole and streamed (${server.name})`, async () => {
    const text = textOf(await server.ask({ max_tokens: 16 }));
    assert.equal((await server.respond()).output_text, text);
    const events = await chunksOf(server.respond({ stream: true }));
    const deltas = events.filter((event) => event.type === "response.output_text.delta");
    assert.equal(deltas.map((event) => event.delta).join(""), text);
    assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
    assert.equal(events[0].type, "response.created");
    assert.equal(events.at(-1).type, "response.incomplete");
    const final = await server.client.responses.stream(server.responded()).finalResponse();
    assert.equal(final.output_text, text);
    assert.equal(final.incomplete_details.reason, "max_output_tokens");
  });

  test(`a function is called, whole and streamed (${server.name})`, async () => {
    const asked = server.responded({ input: QUESTION, ...ONE_CALL });
    const { output } = await server.client.responses.parse(asked);
    assert.equal(output.length, 1);
    assert.equal(output[0].type, "function_call");
    Balance.parse(output[0].parsed_arguments);

    const events = await chunksOf(server.client.responses.create({ ...asked, stream: true }));
    const deltas = events.filter((event) => event.type === "response.function_call_arguments.delta");
    const { response } = events.at(-1);
    assert.equal(deltas.map((event) => event.delta).join(""), response.output[0].arguments);

    const input = [
      { role: "user", content: QUESTION },
      ...response.output,
      { type: "function_call_output", call_id: response.output[0].call_id, output: "12 EUR" },
      { role: "user", content: server.question },
    ];
    const next = await server.respond({ input, tools: [TOOL], tool_choice: "none" });
    assert.notEqual(next.output_text, "");
  });
}

test("a stored response is continued, read and deleted", async () => {
  const first = await scripted.respond({ input: "say un" });
  const second = await scripted.respond({ input: "say deux", previous_response_id: first.id });
  assert.equal(second.output_text, "deux");
  assert(second.usage.input_tokens > first.usage.input_tokens);
  assert.equal((await scripted.client.responses.retrieve(first.id)).output_text, "un");
  await scripted.client.responses.delete(first.id);
  await assert.rejects(scripted.client.responses.retrieve(first.id), OpenAI.NotFoundError);
});

test("without storage there is nothing to continue", async () => {
  await assert.rejects(real.respond({ previous_response_id: "resp_1" }), (error) => {
    assert(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "previous_response_id");
    return true;
  });
});
