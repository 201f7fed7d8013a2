// What the browser keeps, what leaves it as a file, and where the key is not.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";

import { answered, ask, close, drawn, limit, open, plain, sample, screenshot, until } from "./playground.js";

after(close);

const scripted = process.env.ZYRON_SCRIPTED_URL;
assert(scripted, "ZYRON_SCRIPTED_URL is not set; `cargo xtask test` starts a server and sets it");

const SOURCE = "Excédent brut d’exploitation 2024 : 138 460 €";

const file = (name, text) => ({ name, mimeType: "application/json", buffer: Buffer.from(text) });

async function reload({ page, at }) {
  await page.reload();
  await at("model").filter({ hasText: "contexte" }).waitFor();
}

/// What the browser keeps of these.
const records = (page, ...stores) =>
  page.evaluate(async (stores) => {
    const result = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const database = await result(indexedDB.open("zyron"));
    const all = stores.map((store) => result(database.transaction(store).objectStore(store).getAll()));
    const records = (await Promise.all(all)).flat();
    database.close();
    return records.map(({ data, ...record }) => ({ ...record, data: JSON.parse(data) }));
  }, stores);

/// The answers that are kept.
const answers = async (page) =>
  (await records(page, "conversations")).flatMap(({ data }) => data.exchanges.flatMap(({ answers }) => answers));

/// Waits until so many answers are kept, and whole.
const kept = (page, count) =>
  until(async () => (await answers(page)).filter(({ said }) => said.ending).length === count);

/// The lines of the library's two lists.
async function library({ page, at }) {
  await at("library").click();
  const [talks, desks] = [page.locator(".kept").first(), page.locator(".kept").nth(1)];
  await desks.waitFor();
  return { talks: talks.getByTestId("kept"), desks: desks.getByTestId("kept") };
}

async function download(page, button) {
  const [file] = await Promise.all([page.waitForEvent("download"), button.click()]);
  return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
}

test("a conversation and its accounts are there after a reload, down to the cells of the files", async () => {
  const playground = await open(scripted);
  const { page, problems, at } = playground;
  await sample(playground);
  await answered(playground, "say L’EBE est de 138 460 €, et c’est tout.");
  const said = await at("message-assistant").textContent();
  await kept(page, 1);

  await reload(playground);
  assert.equal(await at("message-user").count(), 0);
  const { talks, desks } = await library(playground);
  await talks.first().waitFor();
  assert.deepEqual([await talks.count(), await desks.count()], [1, 1]);
  const title = /^Ormeau Négoce \(exemple\).* · 31\/12\/2022, 31\/12\/2023, 31\/12\/2024$/;
  assert.match(await desks.getByTestId("open").textContent(), title);
  assert.match(await talks.locator("time").textContent(), /^\d\d\/\d\d\/\d{4} \d\d:\d\d$/);
  await screenshot(page, "library");
  await talks.getByTestId("open").click();

  await at("message-user").filter({ hasText: "138 460" }).waitFor();
  await drawn(page);
  assert.equal(await at("message-assistant").textContent(), said);
  assert.match(await at("stats").textContent(), /écrits$/);
  const number = page.locator("button.number.source");
  assert.equal(plain(await number.getAttribute("title")), SOURCE);

  await page.locator("tr[data-item=ebe]").waitFor();
  await number.click();
  await at("parts").waitFor();
  await at("input-item").filter({ hasText: "Salaires" }).click();
  await page.locator("#row-salaires").waitFor();
  await at("parts").getByTestId("place").first().click();
  await at("source-title").waitFor();
  assert.match(await page.locator("tr.found").first().textContent(), /641/);
  assert.deepEqual(problems, []);
});

test("the conversation goes on where it was, with its other ways", async () => {
  const playground = await open(scripted);
  const { page, problems, at } = playground;
  await answered(playground, "say un");
  await at("edit").click();
  await at("input").fill("say deux");
  await at("input").press("Enter");
  await at("version").filter({ hasText: "2/2" }).waitFor();
  await at("stats").filter({ hasText: "écrits" }).waitFor();
  await kept(page, 2);

  await reload(playground);
  const { talks } = await library(playground);
  await talks.getByTestId("open").click();
  await at("version").filter({ hasText: "2/2" }).waitFor();
  await at("message-assistant").filter({ hasText: "deux" }).waitFor();
  await at("version-before").click();
  await at("message-assistant").filter({ hasText: "un" }).waitFor();
  const sent = page.waitForRequest("**/v1/chat/completions");
  await answered(playground, "say trois");
  const said = (await sent).postDataJSON().messages.map(({ content }) => content);
  assert.deepEqual(said, ["say un", "un", "say trois"]);
  const { talks: after } = await library(playground);
  assert.equal(await after.count(), 1, "it is the same conversation");
  assert.deepEqual(problems, []);
});

test("a conversation that was cut by closing the page is there, with what was said", async () => {
  const { page, context } = await open();
  await limit(page, { max_tokens: 4000, logit_bias: { 0: -100, 2: -100 } });
  const of = (page) => ({ page, at: (name) => page.getByTestId(name) });
  await ask(of(page), "List three fruits.");
  const beginning = await until(async () => (await answers(page))[0]?.said.text, 10);
  await page.close({ runBeforeUnload: true });
  await until(() => page.isClosed());

  const again = await context.newPage();
  const { at } = of(again);
  await again.goto(page.url());
  await at("model").filter({ hasText: "contexte" }).waitFor();
  const { talks } = await library(of(again));
  await talks.getByTestId("open").filter({ hasText: "List three fruits." }).click();
  await at("stats").filter({ hasText: "réponse arrêtée" }).waitFor();
  assert.equal(await at("message-user").textContent(), "List three fruits.");
  assert.match(await at("retry").textContent(), /Réessayer/);
  const said = await at("message-assistant").textContent();
  // What is Markdown in the one is no text in the other.
  const letters = (text) => text.replace(/[^\p{L}]+/gu, "");
  assert(letters(said).startsWith(letters(beginning)), `what was said is kept: ${said} goes on from ${beginning}`);
});

test("what is forgotten takes two clicks, and stays forgotten", async () => {
  const playground = await open(scripted);
  const { page, problems, at } = playground;
  await answered(playground, "say un");
  await at("new").click();
  await answered(playground, "say deux");
  await kept(page, 2);
  const { talks } = await library(playground);
  assert.deepEqual(await talks.getByTestId("open").allTextContents(), ["say deux", "say un"], "the newest first");

  const remove = (title) => talks.filter({ hasText: title }).getByTestId("delete");
  assert.equal(await remove("say un").textContent(), "Supprimer");
  await remove("say un").click();
  await remove("say un").filter({ hasText: "Supprimer vraiment" }).waitFor();
  await at("close").focus();
  await remove("say un").filter({ hasNotText: "vraiment" }).waitFor();
  assert.equal(await talks.count(), 2, "one click forgets nothing");
  await remove("say un").dblclick();
  await talks.nth(1).waitFor({ state: "detached" });
  assert.deepEqual(await talks.getByTestId("open").allTextContents(), ["say deux"]);

  // The one on the page as well.
  await remove("say deux").dblclick();
  await talks.first().waitFor({ state: "detached" });
  await at("close").click();
  assert.equal(await at("message-user").count(), 0, "it is on the page no more");
  await answered(playground, "say trois");
  await until(async () => (await answers(page)).some(({ said }) => said.text === "trois" && said.ending));
  await reload(playground);
  await library(playground);
  await talks.first().waitFor();
  assert.deepEqual(await talks.getByTestId("open").allTextContents(), ["say trois"]);
  assert.deepEqual(problems, []);
});

test("a backup takes everything to another browser", async () => {
  const one = await open(scripted);
  await sample(one);
  await answered(one, "say L’EBE est de 138 460 €.");
  await kept(one.page, 1);
  await library(one);
  const { name, bytes } = await download(one.page, one.at("back-up"));
  assert.equal(name, "zyron-sauvegarde.json");
  const backup = JSON.parse(bytes);
  assert.deepEqual([backup.zyron_backup, backup.conversations.length, backup.desks.length], [1, 1, 1]);

  const other = await open(scripted);
  const { page, problems, at } = other;
  const { talks, desks } = await library(other);
  await at("restore").setInputFiles(file(name, bytes));
  await at("library-notice").filter({ hasText: "restauré" }).waitFor();
  await talks.first().waitFor();
  assert.deepEqual([await talks.count(), await desks.count()], [1, 1]);
  assert.doesNotMatch(await at("library-notice").textContent(), /\b1 (conversations|bureaux)/, "one is not many");
  await at("restore").setInputFiles(file(name, bytes));
  await at("library-notice").filter({ hasText: "restauré" }).waitFor();
  assert.deepEqual([await talks.count(), await desks.count()], [1, 1], "what was there is replaced");
  await screenshot(page, "restored");
  await desks.getByTestId("open").click();
  await page.locator("tr[data-item=ebe]").waitFor();
  assert.equal(await at("message-user").count(), 0);

  await library(other);
  await talks.getByTestId("open").click();
  await page.locator("button.number.source").click();
  await at("parts").waitFor();
  await at("input-item").filter({ hasText: "Salaires" }).click();
  await page.locator("#row-salaires").waitFor();
  await at("parts").getByTestId("place").first().click();
  await at("desk-error").filter({ hasText: "déposez-les à nouveau" }).waitFor();
  assert.deepEqual(problems, []);
});

test("a file that is no backup is refused by its name, and nothing is lost", async () => {
  const playground = await open(scripted);
  const { page, problems, at } = playground;
  await answered(playground, "say un");
  await kept(page, 1);
  const { talks } = await library(playground);
  await talks.first().waitFor();
  const { bytes } = await download(page, at("back-up"));
  const later = '{"zyron_backup":2,"conversations":[],"desks":[]}';
  for (const text of ["", "{}", "[1]", "\0\xff", later, bytes.subarray(0, 99)]) {
    await at("restore").setInputFiles(file("bonne.json", bytes));
    await at("library-notice").filter({ hasText: "restauré" }).waitFor();
    assert.equal(await at("library-error").textContent(), "");
    await at("restore").setInputFiles(file("notes de Zoé.json", text));
    await at("library-error").filter({ hasText: "notes de Zoé.json n’est pas une sauvegarde de Zyron" }).waitFor();
    assert.equal(await at("library-notice").textContent(), "", "nothing was restored");
  }
  assert.equal(await talks.count(), 1);
  assert.deepEqual(problems, []);
});

// A browser that refuses says so at once, or later: here, of a library that is newer than the page.
const REFUSALS = {
  "at once": (page) =>
    page.addInitScript(() => {
      IDBFactory.prototype.open = () => {
        throw new DOMException("Not allowed.", "SecurityError");
      };
    }),
  later: async (page) => {
    const body = '<link rel="icon" href="data:,">';
    await page.route("**/nothing", (route) => route.fulfill({ contentType: "text/html", body }));
    await page.goto(`${scripted}/nothing`);
    await page.evaluate(async () => {
      const request = indexedDB.open("zyron", 99);
      await new Promise((resolve) => (request.onsuccess = resolve));
      request.result.close();
    });
    await page.goto(scripted);
  },
};
for (const [how, refuse] of Object.entries(REFUSALS)) {
  test(`a browser that keeps nothing (it says so ${how}) is told of, and all else works`, async () => {
    const playground = await open(scripted);
    const { page, problems, at } = playground;
    await refuse(page);
    await reload(playground);
    await sample(playground);
    await answered(playground, "say L’EBE est de 138 460 €.");
    await page.locator("button.number.source").waitFor();
    await at("library").click();
    await at("library-error").filter({ hasText: "n’a pas pu conserver" }).waitFor();
    await screenshot(page, "library-refused");
    await at("close").click();
    const { bytes } = await download(page, at("export-talk"));
    assert.match(bytes.toString(), /138\s460/);
    await at("new").click();
    await answered(playground, "say deux");
    assert.equal(await at("error").textContent(), "");
    assert.deepEqual(problems, []);
  });
}

test("a conversation as a file says what was asked, what was answered, and where each is from", async () => {
  const playground = await open(scripted);
  const { page, problems, at } = playground;
  await sample(playground);
  await answered(playground, "say L’EBE est de 138 460 €.");
  await answered(playground, "say En 2023, il était de 206 524 €.");
  const { name, bytes } = await download(page, at("export-talk"));
  assert.equal(name, "zyron-conversation.md");
  const text = plain(bytes.toString());
  const parts = [
    "## say L’EBE est de 138 460 €.",
    "\nL’EBE est de 138 460 €.\n",
    "Origine des nombres :",
    `- 138 460 € : ${SOURCE}`,
    "## say En 2023, il était de 206 524 €.",
    "\nEn 2023, il était de 206 524 €.\n",
    "- 206 524 € : Excédent brut d’exploitation 2023 : 206 524 €",
    "## Provenance",
    "intelligence artificielle : modèle scripted",
    "ne constitue pas un conseil en investissement",
  ];
  const places = parts.map((part) => text.indexOf(part));
  assert(!places.includes(-1), `${parts[places.indexOf(-1)]} is in:\n${text}`);
  assert.deepEqual(places, places.toSorted((one, other) => one - other), "in this order");
  assert.match(text, /\n- Fichier [^ ]+\.\w+, SHA-256 [0-9a-f]{64}\.\n/);
  assert.deepEqual(problems, []);
});

test("an analysis as a file has its figures, its file and the file’s SHA-256", async () => {
  const playground = await open(scripted);
  const { page, problems, at } = playground;
  const buffer = await readFile(new URL("../balance.csv", import.meta.url));
  const sha256 = createHash("sha256").update(buffer).digest("hex");
  await at("end").fill("2024-12-31");
  await at("files").setInputFiles({ name: "balance de Zoé.csv", mimeType: "text/csv", buffer });
  await page.locator("tr[data-item=ebe]").waitFor();

  const csv = await download(page, at("export-csv"));
  assert.equal(csv.name, "zyron-analyse.csv");
  assert.deepEqual([...csv.bytes.subarray(0, 3)], [0xef, 0xbb, 0xbf], "so that Excel reads accents");
  const rows = csv.bytes.toString().trimEnd().split("\r\n").map((row) => row.split(";"));
  assert(rows.some((row) => row.some((cell) => /^-?\d+,\d+$/.test(cell))), "decimal commas");
  assert(!rows.some((row) => row.some((cell) => /^-?\d+\.\d+$/.test(cell))), "and no decimal points");
  const markdown = await download(page, at("export-markdown"));
  assert.equal(markdown.name, "zyron-analyse.md");
  for (const text of [csv.bytes.toString(), markdown.bytes.toString()]) {
    assert(text.includes("Excédent brut d’exploitation"));
    assert(text.includes(`Fichier balance de Zoé.csv, SHA-256 ${sha256}.`));
    assert(text.includes("sans modèle de langue"));
    assert(text.includes("ne constitue pas un conseil en investissement"));
    assert(!text.includes("intelligence artificielle"), "no model has said anything");
  }
  const xlsx = await download(page, at("export-xlsx"));
  assert.equal(xlsx.name, "zyron-analyse.xlsx");
  assert.equal(xlsx.bytes.subarray(0, 2).toString(), "PK");
  assert.equal(await at("desk-error").textContent(), "");
  assert.deepEqual(problems, []);
});

test("the key is kept where the analyst asks for it, and nowhere else", async () => {
  const playground = await open(scripted);
  const { page, at } = playground;
  const key = "sk-secret";
  const places = () =>
    page.evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, history.state]),
    );
  const error = { message: "m", type: "invalid_request_error", param: null, code: "invalid_api_key" };
  const asked = [];
  await page.route("**/v1/models", (route) => {
    const { authorization } = route.request().headers();
    asked.push(authorization);
    return authorization === `Bearer ${key}` ? route.continue() : route.fulfill({ status: 401, json: { error } });
  });
  await page.reload();
  await at("error").filter({ hasText: "clé d’API" }).waitFor();
  const [told, field] = [await at("error").boundingBox(), await at("key").boundingBox()];
  assert(told.y < field.y, "the field is below what asks for it");
  await screenshot(page, "key");
  await at("key").fill("sk-fausse");
  await at("key").press("Enter");
  await until(() => asked.includes("Bearer sk-fausse"));
  await at("key").fill(key);
  await at("key").press("Enter");
  await at("model").filter({ hasText: "contexte" }).waitFor();
  await at("key").waitFor({ state: "detached" });
  const sent = page.waitForRequest("**/v1/chat/completions");
  await answered(playground, "say un");
  assert.equal((await sent).headers().authorization, `Bearer ${key}`);
  await sample(playground);
  await kept(page, 1);
  const all = () => records(page, "conversations", "desks");
  await until(async () => (await all()).length === 2);
  assert.doesNotMatch(JSON.stringify(await all()), /sk-/);
  assert.doesNotMatch(await places(), /sk-/);

  await page.reload();
  await at("key").waitFor();
  assert.equal(await at("key").inputValue(), "");
  assert.equal(await at("keep-key").isChecked(), false);
  await at("key").fill(key);
  await at("keep-key").check();
  await at("key").press("Enter");
  await at("model").filter({ hasText: "contexte" }).waitFor();
  asked.length = 0;
  await reload(playground);
  assert.deepEqual(asked, [`Bearer ${key}`], "it is not asked for again");
  assert.equal(await at("key").count(), 0);
  assert.doesNotMatch(JSON.stringify(await all()), /sk-/);
  assert(!page.url().includes(key));
});
