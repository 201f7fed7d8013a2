// The JavaScript example of docs/finance.md, as it stands, and what it shows.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import test from "node:test";
import { promisify } from "node:util";

import { real } from "./client.js";

test("the example runs", { timeout: 120_000 }, async () => {
  const document = await readFile(new URL("../../../docs/finance.md", import.meta.url), "utf8");
  const [, example] = document.match(/^```javascript\n(.*?)^```/ms);
  // Where the client is found.
  const folder = await mkdtemp(path.join(import.meta.dirname, "node_modules/example-"));
  try {
    await copyFile(new URL("../../balance.csv", import.meta.url), path.join(folder, "balance.csv"));
    await writeFile(path.join(folder, "example.mjs"), example);
    const environment = { ...process.env, OPENAI_BASE_URL: `${real.url}/v1`, OPENAI_API_KEY: "none" };
    const { stdout } = await promisify(execFile)("node", ["example.mjs"], { cwd: folder, env: environment });
    assert.notEqual(stdout.trim(), "");
  } finally {
    await rm(folder, { recursive: true });
  }
});
