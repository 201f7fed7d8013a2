// The desk: a company's files, read in the browser, and what is asked about them.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { ask, close, open, screenshot } from "./playground.js";

after(close);

const scripted = process.env.ZYRON_SCRIPTED_URL;
assert(scripted, "ZYRON_SCRIPTED_URL is not set; `cargo xtask test` starts a server and sets it");

const BALANCE = `Compte;Libellé;Débit;Crédit
101000;Capital;;50 000,00
164000;Emprunt;;30 000,00
215400;Matériel;80 000,00;
281540;Amortissements;;16 000,00
370000;Stock;12 000,00;
401000;Fournisseurs;;22 000,00
411000;Clients;31 000,00;
512000;Banque;24 000,00;
607000;Achats de marchandises;180 000,00;
641000;Salaires;52 000,00;
645000;Charges sociales;21 000,00;
661000;Intérêts;900,00;
681100;Dotations;8 000,00;
707000;Ventes de marchandises;;290 900,00
`;

const file = (name, text) => ({ name, mimeType: "text/csv", buffer: Buffer.from(text) });
const plain = (text) => text.replace(/[\u00a0\u202f]/g, " ");

test("files are read here, and the numbers of an answer say where they are from", async () => {
  const playground = await open(scripted);
  const { page, problems, at } = playground;
  const sent = [];
  page.on("request", (request) => request.method() === "POST" && sent.push(request));

  await at("files").setInputFiles(file("balance.csv", BALANCE));
  await at("desk-error").filter({ hasText: "clôture" }).waitFor();
  await at("end").fill("2024-12-31");
  await at("files").setInputFiles(file("balance.csv", BALANCE));
  const row = page.locator("tr[data-item=ebe]");
  await row.waitFor();
  assert.equal(plain(await row.locator("td").first().textContent()), "37 900 €");
  assert.match(await row.getAttribute("title"), /^Valeur ajoutée/);
  assert.equal(await at("desk-error").textContent(), "");
  assert.deepEqual(sent, [], "nothing has left the browser");

  await ask(playground, "say L’EBE est de 37 900 €.");
  const mark = page.locator("mark.source");
  await mark.waitFor();
  assert.match(plain(await mark.textContent()), /^37 900 € \(Excédent brut d’exploitation 2024 : 37 900 €\)$/);
  const [request] = sent;
  assert.match(request.url(), /\/v1\/finance\/analyses$/);
  const { statement } = request.postDataJSON();
  assert.equal(statement.years[0].lines.salaires.value, "52000");
  assert(!request.postData().includes("balance.csv") && !request.postData().includes("411000"), "lines only");

  // The conversation goes on behind the accounts.
  await ask(playground, "say Soit 13,0 % des ventes.");
  await page.locator("mark").nth(1).waitFor();
  assert.deepEqual(sent[1].postDataJSON().messages.map(({ role }) => role), ["assistant", "user"]);
  await at("template").selectOption("sig");
  await at("send").click();
  await at("message-user").filter({ hasText: "Soldes intermédiaires de gestion" }).waitFor();
  await at("stats").nth(2).filter({ hasText: "écrits" }).waitFor();
  assert.equal(sent[2].postDataJSON().template, "sig");
  assert.deepEqual(sent[2].postDataJSON().messages, []);
  await screenshot(page, "desk");
  assert.deepEqual(problems, []);
});

test("an analysis that fails can be asked for again", async () => {
  const { page, at } = await open(scripted);
  await at("end").fill("2024-12-31");
  await at("files").setInputFiles(file("balance.csv", BALANCE));
  await page.locator("tr[data-item=ebe]").waitFor();
  await page.route("**/v1/finance/analyses", (route) => route.abort());
  await at("template").selectOption("bilan");
  await at("input").fill("Et la trésorerie ?");
  await at("send").click();
  await at("error").filter({ hasText: "connexion" }).waitFor();
  assert.equal(await at("template").inputValue(), "bilan");
  assert.equal(await at("input").inputValue(), "Et la trésorerie ?");
});

test("what cannot be read is said, and the desk stays as it was", async () => {
  const { page, problems, at } = await open(scripted);
  await at("end").fill("2024-12-31");
  await at("files").setInputFiles(file("balance.csv", BALANCE));
  await page.locator("tr[data-item=ebe]").waitFor();
  await at("files").setInputFiles(file("notes.txt", "Bonjour"));
  await at("desk-error").filter({ hasText: "notes.txt" }).waitFor();
  assert.equal(await page.locator("tr[data-item=ebe]").count(), 1);
  // A row that cannot be read is among the anomalies, with its line.
  await at("files").setInputFiles(file("balance.csv", BALANCE.replace("31 000,00", "31 OOO,00")));
  await page.getByText("balance.csv, 8").waitFor();
  await at("clear-desk").click();
  assert.equal(await page.locator("tr[data-item=ebe]").count(), 0);
  assert.deepEqual(problems, []);
});
