import assert from "node:assert/strict";
import { test } from "node:test";

import { zodFunction } from "openai/helpers/zod";
import { z } from "zod";

import { chunksOf, scripted, servers, user } from "./client.js";

const Balance = z.object({ account: z.enum(["401", "512", "607"]), year: z.number().int().min(2000).max(2030) });
const CALL = '<tool_call>\n{"name": "balance", "arguments": {"account": "512", "year": 2024}}\n</tool_call>';
const QUESTION = user("What is the balance of account 512 in 2024?");
// One call, which ends by itself; the limit is only for one that never would.
const ONE_CALL = { parallel_tool_calls: false, max_tokens: 512 };

/// The tool, and what it was called with.
const balance = () => {
  const calls = [];
  const called = (given) => {
    calls.push(given);
    return "12 EUR";
  };
  return { calls, tool: zodFunction({ name: "balance", parameters: Balance, function: called }) };
};

for (const server of servers) {
  for (const stream of [false, true]) {
    test(`the tool runner calls what it must (${server.name}, stream: ${stream})`, async () => {
      const { calls, tool } = balance();
      const tool_choice = { type: "function", function: { name: "balance" } };
      const runner = server.client.chat.completions.runTools(
        server.asked({ messages: QUESTION, tools: [tool], tool_choice, stream, ...ONE_CALL }),
      );
      const result = await runner.finalFunctionToolCallResult();
      assert.equal(result, "12 EUR");
      assert.equal(calls.length, 1);
      assert.deepEqual(Balance.parse(calls[0]), calls[0]);
    });
  }

  test(`a streamed call is the same as a whole one (${server.name})`, async () => {
    const { tool } = balance();
    const options = { messages: QUESTION, tools: [tool], tool_choice: "required", seed: 5, ...ONE_CALL };
    const whole = await server.ask(options);
    const [call, ...others] = whole.choices[0].message.tool_calls;
    assert.deepEqual(others, []);
    assert.equal(whole.choices[0].finish_reason, "tool_calls");
    Balance.parse(JSON.parse(call.function.arguments));

    const chunks = await chunksOf(server.ask({ ...options, stream: true }));
    const deltas = chunks.flatMap((chunk) => chunk.choices).flatMap((choice) => choice.delta.tool_calls ?? []);
    assert.equal(deltas.map((delta) => delta.function.arguments ?? "").join(""), call.function.arguments);
    assert(deltas[0].id);
    assert.equal(deltas[0].function.name, "balance");

    const helper = server.client.chat.completions.stream(server.asked(options));
    const done = [];
    helper.on("tool_calls.function.arguments.done", (event) => done.push(event));
    const final = await helper.finalChatCompletion();
    assert.deepEqual(done.map((event) => event.arguments), [call.function.arguments]);
    Balance.parse(final.choices[0].message.tool_calls[0].function.parsed_arguments);
  });
}

for (const stream of [false, true]) {
  test(`the tool runner brings results back, and ends (stream: ${stream})`, async () => {
    const { calls, tool } = balance();
    const afterCompletion = (completion, runner) => {
      // The scripted server listens to the last thing a user says.
      if (completion.choices[0].message.tool_calls?.length) {
        runner.messages.push(...user("say Il reste 12 EUR."));
      }
    };
    const runner = scripted.client.chat.completions.runTools(
      scripted.asked({ messages: user(`say ${CALL}\n${CALL}`), tools: [tool], max_tokens: 512, stream }),
      { afterCompletion },
    );
    assert.equal(await runner.finalContent(), "Il reste 12 EUR.");
    assert.deepEqual(calls, [{ account: "512", year: 2024 }, { account: "512", year: 2024 }]);
    assert.equal(runner.allChatCompletions().length, 2);
    const roles = ["user", "assistant", "tool", "tool", "user", "assistant"];
    assert.deepEqual(runner.messages.map((message) => message.role), roles);
  });
}
