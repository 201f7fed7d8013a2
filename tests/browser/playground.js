// A browser with the playground open, and what the tests do in it.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";

import { chromium } from "playwright-core";

export const url = process.env.ZYRON_BASE_URL;
assert(url, "ZYRON_BASE_URL is not set; `cargo xtask test` starts a server and sets it");

// Debian's browser, told to talk to nobody but the page it shows.
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
export const close = () => browser.close();

/// Opens the playground in a profile of its own and waits for the model. What the page logs as an error, and what the
/// policy blocks, is collected in `problems`. `prepare` gets the page while it is empty.
export async function open(base = url, prepare = async () => {}) {
  const context = await browser.newContext({ locale: "fr-FR", viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  await prepare(page);
  await page.goto(base);
  const at = (name) => page.getByTestId(name);
  await at("model").filter({ hasText: "contexte" }).waitFor();
  return { page, context, problems, at };
}

/// Makes the answers short and the same each time, which the page leaves to the model.
export const limit = (page, options) =>
  page.route("**/v1/chat/completions", (route) =>
    route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), temperature: 0, ...options }) }),
  );

/// A FEC with so many lines, sales of 10 € each: the name it should have, and its text.
export function ledger(lines) {
  const columns =
    "JournalCode JournalLib EcritureNum EcritureDate CompteNum CompteLib CompAuxNum CompAuxLib PieceRef PieceDate " +
    "EcritureLib Debit Credit EcritureLet DateLet ValidDate Montantdevise Idevise";
  const rows = [columns.split(" ").join("\t")];
  for (let entry = 0; entry < lines / 2; entry++) {
    const row = (account, label, debit, credit) =>
      `VT\tVentes\t${entry}\t20240315\t${account}\t${label}\t\t\tF${entry}\t20240315\tVente\t${debit}\t${credit}\t\t\t20240331\t\t`;
    rows.push(row("411000", "Clients", "10,00", "0,00"), row("707000", "Ventes", "0,00", "10,00"));
  }
  return { name: "732829320FEC20241231.txt", text: rows.join("\n") };
}

/// Puts the sample company on the desk.
export async function sample({ page, at }) {
  await at("sample").click();
  await page.locator("tr[data-item=ebe]").waitFor();
}

/// Asks, and waits for the end of the answer, or of so many.
export async function answered(playground, question, count = 1) {
  const before = await playground.at("stats").count();
  await ask(playground, question);
  await playground.at("stats").filter({ hasText: "écrits" }).nth(before + count - 1).waitFor();
  await drawn(playground.page);
}

/// Waits until answers are drawn: the first of them by a module that has to be loaded, each with the next frame.
export async function drawn(page) {
  await page.locator(".said .plain").first().waitFor({ state: "detached" });
  await frames(page);
}

/// Waits until what is to be drawn is.
export const frames = (page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

/// Sends a question as an analyst would.
export async function ask({ at }, question) {
  await at("input").fill(question);
  await at("input").press("Enter");
}

/// A text with plain spaces in the place of those that do not break.
export const plain = (text) => text.replace(/[\u00a0\u202f]/g, " ");

/// Waits until `read` gives something true, and returns it.
export async function until(read, seconds = 60) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const value = await read();
    if (value) return value;
    assert(Date.now() < deadline, `still not so after ${seconds} s: ${read}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/// Keeps a picture for whoever wants to look, where ZYRON_SCREENSHOTS names a folder.
export async function screenshot(page, name) {
  const folder = process.env.ZYRON_SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png` });
}
