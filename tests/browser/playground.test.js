import assert from "node:assert/strict";
import { after, test } from "node:test";
import { brotliCompressSync } from "node:zlib";

import { ask, close, limit, open, screenshot, until, url } from "./playground.js";

after(close);

// The two tokens that end an answer of this model. Without them it goes on until its limit.
const ENDLESS = { max_tokens: 4000, logit_bias: { 0: -100, 2: -100 } };

test("an answer streams in, and the next question continues the conversation", async () => {
  const playground = await open();
  const { page, problems, at } = playground;
  await limit(page, { max_tokens: 40 });
  await screenshot(page, "start");
  assert.equal(await at("send").isDisabled(), true, "there is nothing to send yet");

  await ask(playground, "List three fruits.");
  const answer = at("message-assistant").first();
  const beginning = await until(() => answer.textContent());
  await at("stats").filter({ hasText: "tokens/s" }).waitFor();
  const whole = await answer.textContent();
  assert(whole.startsWith(beginning) && whole.length > beginning.length, "the text came in more than one piece");
  assert.match(await at("stats").textContent(), /^(réponse coupée à sa longueur maximale · )?premier texte en [\d\u202f]+ ms · [\d\u202f]+,\d tokens\/s · \d+ tokens lus, \d+ écrits$/);

  const second = page.waitForRequest("**/v1/chat/completions");
  await ask(playground, "And three vegetables?");
  const roles = (await second).postDataJSON().messages.map(({ role }) => role);
  assert.deepEqual(roles, ["user", "assistant", "user"]);
  await at("stats").nth(1).filter({ hasText: "tokens/s" }).waitFor();
  assert.deepEqual(await at("message-user").allTextContents(), ["List three fruits.", "And three vegetables?"]);
  await screenshot(page, "conversation");

  await at("new").click();
  assert.equal(await at("message-user").count(), 0);
  assert.deepEqual(problems, []);
});

test("an answer can be stopped, and what was said stays", async () => {
  const playground = await open();
  const { page, problems, at } = playground;
  await limit(page, ENDLESS);
  await ask(playground, "List three fruits.");
  const answer = at("message-assistant");
  await until(() => answer.textContent());
  await at("input").fill("And then?");
  assert.equal(await at("send").count(), 0, "one question at a time");
  await screenshot(page, "streaming");
  await at("stop").click();
  await at("stats").filter({ hasText: "réponse arrêtée" }).waitFor();
  const said = await answer.textContent();
  assert(said.length > 0);
  assert.equal(await at("input").inputValue(), "And then?");

  // The server has let go as well: it has one place, and this would wait for it.
  await page.unroute("**/v1/chat/completions");
  await limit(page, { max_tokens: 4 });
  await at("send").click();
  await at("stats").nth(1).filter({ hasText: "écrits" }).waitFor({ timeout: 20_000 });
  assert.equal(await answer.first().textContent(), said);
  assert.deepEqual(problems, []);
});

test("where the server cannot be reached, the page says so in French and keeps the question", async () => {
  const playground = await open();
  const { page, context, at } = playground;
  await context.setOffline(true);
  await ask(playground, "Qu’est-ce que l’EBE ?");
  await at("error").filter({ hasText: "La connexion au serveur a échoué." }).waitFor();
  assert.equal(await at("input").inputValue(), "Qu’est-ce que l’EBE ?");
  assert.equal(await at("message-user").count(), 0);
  await screenshot(page, "error");

  await context.setOffline(false);
  await limit(page, { max_tokens: 4 });
  await at("send").click();
  await at("stats").filter({ hasText: "écrits" }).waitFor();
  assert.equal(await at("error").textContent(), "");
});

test("what the server refuses is told, and the question comes back", async () => {
  const playground = await open();
  const { page, at } = playground;
  await ask(playground, "mot ".repeat(20_000));
  await at("error").filter({ hasText: "La conversation dépasse ce que le modèle peut lire." }).waitFor();
  assert.equal((await at("input").inputValue()).length, 79_999);
  await screenshot(page, "too-long");
});

test("one knows that it is a machine before one can write, in French", async () => {
  const { page, at } = await open();
  assert.equal(await page.locator("html").getAttribute("lang"), "fr");
  assert.match(await at("notice").textContent(), /intelligence artificielle/);
  const [notice, input] = [await at("notice").boundingBox(), await at("input").boundingBox()];
  assert(notice.y + notice.height <= input.y, "the notice is above the input");
  assert.match(await page.locator("main").ariaSnapshot(), /log "Conversation"/);
  const visible = await page.locator("body").innerText();
  assert.doesNotMatch(visible, /[^\s\u00a0\u202f] [:;!?»]|'/, "French typography");
});

test("the page runs no script but its own", async () => {
  const { page } = await open();
  const blocked = await page.evaluate(async () => {
    const violation = new Promise((resolve) => document.addEventListener("securitypolicyviolation", resolve));
    const script = document.createElement("script");
    script.textContent = "globalThis.injected = true";
    document.body.append(script);
    return { directive: (await violation).effectiveDirective, injected: globalThis.injected ?? false };
  });
  assert.deepEqual(blocked, { directive: "script-src-elem", injected: false });
});

test("a browser keeps the files of the page and asks for the page again", async () => {
  const index = await fetch(url);
  assert.equal(index.headers.get("cache-control"), "no-cache");
  const again = await fetch(url, { headers: { "if-none-match": index.headers.get("etag") } });
  assert.equal(again.status, 304);
  const names = [...(await index.text()).matchAll(/\/assets\/[^"]+/g)].map(([name]) => name);
  assert.equal(names.length, 4);
  for (const name of names) {
    const file = await fetch(url + name);
    assert.equal(file.status, 200);
    assert.equal(file.headers.get("cache-control"), "max-age=31536000, immutable");
    assert.match(file.headers.get("content-security-policy"), /default-src 'none'/);
  }
});

test("what everybody has to download is small", async () => {
  const text = async (path) => (await fetch(url + path)).text();
  const [boot] = (await text("/")).match(/\/assets\/boot[^"]+/);
  const [wasm] = (await text(boot)).match(/\/assets\/zyron_web[^"]+\.wasm/);
  const bytes = await (await fetch(url + wasm)).arrayBuffer();
  // As the server sends it. What not everybody needs belongs into a module of its own.
  const { length } = brotliCompressSync(new Uint8Array(bytes));
  assert(length < 250_000, `${length} bytes`);
});
