// The desk: a company's files, read in the browser, what is asked about them, and what is corrected.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";

import { ask, close, ledger, open, plain, screenshot, until } from "./playground.js";

after(close);

const scripted = process.env.ZYRON_SCRIPTED_URL;
assert(scripted, "ZYRON_SCRIPTED_URL is not set; `cargo xtask test` starts a server and sets it");

const BALANCE = readFileSync(new URL("../balance.csv", import.meta.url), "utf8");

const file = (name, text) => ({ name, mimeType: "text/csv", buffer: Buffer.from(text) });
const cell = async (page, item, column = 0) =>
  plain(await page.locator(`tr[data-item=${item}] td`).nth(column).textContent());

/// Opens the page with the balance on the desk.
async function openBalance() {
  const playground = await open(scripted);
  await playground.at("end").fill("2024-12-31");
  await playground.at("files").setInputFiles(file("balance.csv", BALANCE));
  await playground.page.locator("tr[data-item=ebe]").waitFor();
  return playground;
}

/// Shows what a figure is made of.
async function parts(page, item) {
  const row = page.locator(`tr[data-item=${item}]`);
  const table = page.locator("details.table").filter({ has: row });
  if (!(await table.evaluate((details) => details.open))) await table.locator("summary").click();
  const button = row.getByRole("button");
  if ((await button.getAttribute("aria-expanded")) === "false") await button.click();
  return page.getByTestId("parts");
}

test("files are read here, and the numbers of an answer say where they are from", async () => {
  const playground = await open(scripted);
  const { page, problems, at } = playground;
  const sent = [];
  page.on("request", (request) => request.method() === "POST" && sent.push(request));

  await at("files").setInputFiles(file("balance.csv", BALANCE));
  await at("desk-error").filter({ hasText: "clôture" }).waitFor();
  await at("end").fill("2024-12-31");
  await at("files").setInputFiles(file("balance.csv", BALANCE));
  await page.locator("tr[data-item=ebe]").waitFor();
  assert.equal(await cell(page, "ebe"), "37 900 €");
  assert.equal(await at("desk-error").textContent(), "");
  assert.deepEqual(sent, [], "nothing has left the browser");

  await ask(playground, "say L’EBE est de 37 900 €, et non de 12 €.");
  const number = page.locator("button.number.source");
  await number.waitFor();
  assert.match(plain(await number.textContent()), /^37 900 € \(Excédent brut d’exploitation 2024 : 37 900 €\)$/);
  const [request] = sent;
  assert.match(request.url(), /\/v1\/finance\/analyses$/);
  const { statement } = request.postDataJSON();
  assert.equal(statement.years[0].lines.salaires.value, "52000");
  assert(!request.postData().includes("balance.csv") && !request.postData().includes("411000"), "lines only");

  // A number opens what it is from.
  await number.click();
  await at("parts").filter({ hasText: "Valeur ajoutée" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.closest("tr").dataset.item), "ebe");

  // The conversation goes on behind the accounts.
  await ask(playground, "say Soit 13,0 % des ventes.");
  await at("stats").nth(1).filter({ hasText: "écrits" }).waitFor();
  assert.deepEqual(sent[1].postDataJSON().messages.map(({ role }) => role), ["assistant", "user"]);
  await at("template").selectOption("sig");
  await at("send").click();
  await at("message-user").filter({ hasText: "Soldes intermédiaires de gestion" }).waitFor();
  await at("stats").nth(2).filter({ hasText: "écrits" }).waitFor();
  assert.equal(sent[2].postDataJSON().template, "sig");
  assert.equal(sent[2].postDataJSON().messages, undefined);

  // Without the accounts it is a conversation like any other.
  await at("takes-accounts").uncheck();
  await ask(playground, "say Bonjour.");
  await at("stats").nth(3).filter({ hasText: "écrits" }).waitFor();
  assert.match(sent[3].url(), /\/v1\/chat\/completions$/);
  await screenshot(page, "desk");
  assert.deepEqual(problems, []);
});

test("a figure opens to its formula, its inputs, its accounts, and the line of the file that they were read from", async () => {
  const { page, problems, at } = await openBalance();
  const ebe = await parts(page, "ebe");
  assert.match(plain(await ebe.textContent()), /= Valeur ajoutée \+ .*Plan comptable général.*52 000 €/);
  await ebe.getByTestId("input-item").filter({ hasText: "Salaires et traitements" }).click();
  const wages = page.getByTestId("parts").filter({ hasText: "641000 Salaires" });
  await wages.getByTestId("place").click();
  assert.equal(await at("source-title").textContent(), "balance.csv, 11");
  const found = page.locator("tr.found");
  assert.equal(await found.count(), 1);
  assert.match(plain(await found.textContent()), /641000.*Salaires.*52 000,00/);
  await screenshot(page, "source");
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("dialog").count(), 0);
  assert.deepEqual(problems, []);
});

test("a line is corrected by hand, everything follows, and it can be taken back", async () => {
  const playground = await openBalance();
  const { page, problems, at } = playground;
  const line = await parts(page, "salaires");
  await line.getByTestId("move-account").focus();
  await line.getByTestId("move-account").selectOption({ label: "Autres achats et charges externes" });
  await at("corrections").filter({ hasText: "641000" }).waitFor();
  assert.equal(await cell(page, "valeur_ajoutee"), "58 900 €");
  assert.equal(await cell(page, "ebe"), "37 900 €");

  const capital = await parts(page, "charges_sociales");
  await capital.getByTestId("correct-amount").fill("20 000,50");
  await capital.getByTestId("correct").click();
  await at("undo-correction").nth(1).waitFor();
  assert.equal(await cell(page, "ebe"), "38 900 €");
  const request = page.waitForRequest("**/v1/finance/analyses");
  await ask(playground, "say 1");
  assert.equal((await request).postDataJSON().statement.years[0].lines.charges_sociales.value, "20000.5");

  await at("undo-correction").first().click();
  await until(async () => (await at("undo-correction").count()) === 1);
  assert.equal(await cell(page, "valeur_ajoutee"), "110 900 €");
  const again = await parts(page, "charges_sociales");
  await again.getByTestId("correct-amount").fill("beaucoup");
  await again.getByTestId("correct").click();
  await at("desk-error").filter({ hasText: "un montant est attendu" }).waitFor();
  assert.deepEqual(problems, []);
});

test("the sample company has charts, each with its table, which open what they show", async () => {
  const { page, problems, at } = await open(scripted);
  await at("sample").click();
  await page.getByRole("figure").nth(2).waitFor();
  assert.equal(await page.getByRole("figure").count(), 3);
  for (const figure of await page.getByRole("figure").all()) {
    const image = figure.getByRole("img").first();
    const described = await image.evaluate((svg) => svg.getAttribute("aria-labelledby").split(" ").map((id) => document.getElementById(id).textContent));
    assert(described.join(" ").length > 40, "a chart says what it shows");
    await figure.getByText("Tableau", { exact: true }).click();
    assert((await figure.locator("table tr").count()) > 3);
  }
  assert(!(await page.locator("section.desk").innerHTML()).includes("NaN"));
  await page.getByRole("figure").first().locator("table button").filter({ hasText: "EBE" }).click();
  await at("parts").filter({ hasText: "Valeur ajoutée" }).waitFor();
  await screenshot(page, "sample");
  assert.deepEqual(problems, []);
});

test("an analysis that fails can be asked for again", async () => {
  const { page, at } = await openBalance();
  await page.route("**/v1/finance/analyses", (route) => route.abort());
  await at("template").selectOption("bilan");
  await at("input").fill("Et la trésorerie ?");
  await at("send").click();
  await at("error").filter({ hasText: "connexion" }).waitFor();
  assert.equal(await at("template").inputValue(), "bilan");
  assert.equal(await at("input").inputValue(), "Et la trésorerie ?");
});

test("what cannot be read is said, and the desk stays as it was", async () => {
  const { page, problems, at } = await openBalance();
  await at("files").setInputFiles(file("notes.txt", "Bonjour"));
  await at("desk-error").filter({ hasText: "notes.txt" }).waitFor();
  assert.equal(await page.locator("tr[data-item=ebe]").count(), 1);
  // A row that cannot be read is among the anomalies, with its line.
  await at("files").setInputFiles(file("balance.csv", BALANCE.replace("31 000,00", "31 OOO,00")));
  await at("anomalies").getByTestId("place").filter({ hasText: "balance.csv, 8" }).click();
  assert.match(await page.locator("tr.found").textContent(), /31 OOO,00/);
  await at("close").click();
  await at("clear-desk").click();
  assert.equal(await page.locator("tr[data-item=ebe]").count(), 0);
  assert.deepEqual(problems, []);
});

test("a reader that crashes takes nothing with it, and the next file is read", async () => {
  const { page, context, at } = await open(scripted);
  await context.addInitScript(() => {
    const Real = globalThis.Worker;
    globalThis.Worker = class extends Real {
      constructor(...given) {
        super(...given);
        globalThis.reader = this;
      }
    };
  });
  await page.reload();
  await at("model").filter({ hasText: "contexte" }).waitFor();
  await at("sample").click();
  await page.locator("tr[data-item=ebe]").waitFor();
  const before = await cell(page, "ebe");
  await at("end").fill("2024-12-31");
  // It ends in the middle of its work, as one that ran out of memory does.
  await page.evaluate(() => {
    const post = globalThis.reader.postMessage.bind(globalThis.reader);
    globalThis.reader.postMessage = (message) => {
      post(message);
      globalThis.reader.terminate();
      globalThis.reader.dispatchEvent(new ErrorEvent("error"));
    };
  });
  await at("files").setInputFiles(file("balance.csv", BALANCE));
  await at("desk-error").filter({ hasText: "Le bureau est intact" }).waitFor();
  assert.equal(await cell(page, "ebe"), before);
  await at("files").setInputFiles(file("balance.csv", BALANCE));
  await until(async () => (await cell(page, "ebe")) === "37 900 €");
});

test("a ledger of 200,000 lines is read while one goes on writing, and reading can be stopped", async () => {
  const { page, problems, at } = await open(scripted);
  const { name, text } = ledger(200_000);
  const files = { name, mimeType: "text/plain", buffer: Buffer.from(text) };

  await at("files").setInputFiles(files);
  await at("desk-state").filter({ hasText: "Lecture en cours" }).waitFor();
  await at("cancel-reading").click();
  await at("desk-error").filter({ hasText: "interrompue" }).waitFor();

  await at("files").setInputFiles(files);
  await at("desk-state").filter({ hasText: "Lecture en cours" }).waitFor();
  await at("input").pressSequentially("Bonjour");
  assert.equal(await at("input").inputValue(), "Bonjour");
  assert.match(await at("desk-state").textContent(), /Lecture en cours/, "it was still being read");
  await page.locator("tr[data-item=chiffre_affaires]").waitFor({ state: "attached" });
  assert.equal(await cell(page, "chiffre_affaires"), "1 000 000 €");
  assert.deepEqual(problems, []);
});
