// "Code": the request on the page as programs, which run as they are shown.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";

import { ask, close, open, screenshot } from "./playground.js";

after(close);

const scripted = process.env.ZYRON_SCRIPTED_URL;
assert(scripted, "ZYRON_SCRIPTED_URL is not set; `cargo xtask test` starts a server and sets it");

const PYTHON = path.resolve(import.meta.dirname, "../../.cache/venv/bin/python");
// Where OpenAI's client for JavaScript is found.
const PACKAGES = path.resolve(import.meta.dirname, "../sdk/javascript/node_modules");

const { OPENAI_API_KEY, ...environment } = process.env;
const execute = promisify(execFile);

/// How each is run by whoever copies it; gives what it prints.
const RUNS = {
  curl: async (program) => (await execute("sh", ["-c", program], { env: environment })).stdout,
  Python: async (program) => (await execute(PYTHON, ["-c", program], { env: environment })).stdout,
  JavaScript: async (program) => {
    const folder = await mkdtemp(path.join(PACKAGES, "program-"));
    try {
      await writeFile(path.join(folder, "program.mjs"), program);
      return (await execute(process.execPath, ["program.mjs"], { cwd: folder, env: environment })).stdout;
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

/// The programs that are shown for what is on the page.
async function programs({ page, at }) {
  await at("code").click();
  const dialog = page.getByRole("dialog", { name: "La même requête par programme" });
  const shown = {};
  for (const name of Object.keys(RUNS)) {
    await dialog.getByRole("button", { name, exact: true }).click();
    await dialog.getByRole("button", { name, exact: true, pressed: true }).waitFor();
    shown[name] = await at("program").textContent();
    await screenshot(page, `code-${name}`);
  }
  await at("close").click();
  return shown;
}

/// The text of an answer that is streamed as events.
function streamed(events) {
  const lines = events.split("\n").filter((line) => line.startsWith("data: {"));
  const chunks = lines.map((line) => JSON.parse(line.slice("data: ".length)));
  return chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta.content ?? "")).join("");
}

/// Runs each; what it prints has the answer, whole. Python says of each number where it is from.
async function check(shown, answer, numbers = /^$/) {
  const run = async ([name, program]) => [name, await RUNS[name](program)];
  const { curl, Python, JavaScript } = Object.fromEntries(await Promise.all(Object.entries(shown).map(run)));
  assert.equal(streamed(curl), answer);
  assert.equal(Python.slice(0, answer.length + 1), `${answer}\n`);
  assert.match(Python.slice(answer.length + 1), numbers);
  assert.equal(JavaScript, `${answer}\n`);
}

test("a question as programs that run, whatever is in it", async () => {
  const playground = await open(scripted);
  const { page, context, problems, at } = playground;
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const answer = "L'« été » à 5 $HOME, `date` \\n \\ 'a' \"b\" ${c} #{d} %s {e}\n\tet 100 %.";
  await at("input").fill(`say ${answer}`);
  const shown = await programs(playground);
  assert.equal(await at("message-user").count(), 0, "nothing was sent");
  await check(shown, answer);

  // What is shown is what the page sends.
  const sent = page.waitForRequest("**/v1/chat/completions");
  await at("send").click();
  const [, body] = shown.curl.match(/-d '(.*)'\n$/s);
  assert.deepEqual(JSON.parse(body.replaceAll(`'\\''`, "'")), (await sent).postDataJSON());
  await at("stats").filter({ hasText: "écrits" }).waitFor();
  assert.deepEqual(await programs(playground), shown, "once it is sent it is shown still");

  await at("code").click();
  await at("copy-program").click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), shown.curl);
  assert.deepEqual(problems, []);
});

test("a conversation with settings, a format and tools as programs that run", async () => {
  const playground = await open(scripted);
  const { problems, at } = playground;
  await at("settings").click();
  await at("temperature").fill("0,5");
  await at("max-tokens").fill("100");
  await at("seed").fill("7");
  await at("system").fill("Tu es l'aide d'une analyste.");
  const parameters = { type: "object", properties: { sûr: { type: "boolean", default: true, enum: [true, false] } } };
  await at("tools").fill(JSON.stringify([{ type: "function", function: { name: "lire", parameters } }]));
  await at("close").click();
  await ask(playground, "say un");
  await at("stats").filter({ hasText: "écrits" }).waitFor();
  await at("input").fill("say deux");
  const shown = await programs(playground);
  await check(shown, "deux");
  for (const [name, program] of Object.entries(shown)) {
    for (const part of ["0.5", "max_completion_tokens", "Tu es l", "lire", "say un"]) {
      assert(program.includes(part), `${part} is in the program for ${name}`);
    }
  }
  assert.deepEqual(problems, []);
});

test("an analysis of accounts as programs that run", async () => {
  const playground = await open(scripted);
  const { page, problems, at } = playground;
  await at("sample").click();
  await page.locator("tr[data-item=ebe]").waitFor();
  await ask(playground, "say L’EBE est de 138 460 €.");
  await at("stats").filter({ hasText: "écrits" }).waitFor();
  const shown = await programs(playground);
  for (const program of Object.values(shown)) {
    assert(!program.includes(".csv") && !program.includes(".txt"), "lines only");
  }
  await check(shown, "L’EBE est de 138 460 €.", /^138 460 € \{'kind': 'source', 'fact': '\w+'\}\n$/);
  assert.deepEqual(problems, []);
});

test("the key is in no program", async () => {
  const playground = await open(scripted);
  const { page, at } = playground;
  const error = { message: "m", type: "invalid_request_error", param: null, code: "invalid_api_key" };
  await page.route("**/v1/models", (route) =>
    route.request().headers().authorization ? route.continue() : route.fulfill({ status: 401, json: { error } }),
  );
  await page.reload();
  await at("key").fill("sk-secret");
  await at("key").press("Enter");
  await at("key").waitFor({ state: "detached" });
  await at("input").fill("say un");
  for (const [name, program] of Object.entries(await programs(playground))) {
    assert(!program.includes("sk-secret"), name);
    assert(program.includes("OPENAI_API_KEY"), name);
  }
  assert.equal(await at("message-user").count(), 0);
});
