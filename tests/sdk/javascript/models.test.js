import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";

import { client } from "./client.js";

test("the model is listed and can be retrieved", async () => {
  const { data } = await client.models.list();
  assert.equal(data.length, 1);
  assert.equal(data[0].object, "model");
  assert.deepEqual(await client.models.retrieve(data[0].id), data[0]);
});

test("an unknown model is not found", async () => {
  await assert.rejects(client.models.retrieve("no-such-model"), (error) => {
    assert(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    assert.equal(error.param, "model");
    return true;
  });
});
