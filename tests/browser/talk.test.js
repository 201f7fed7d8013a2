// The conversation: asking again, asking something else, comparing, parameters, tools, and servers that fail.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { ask, close, drawn, open, plain, screenshot, until } from "./playground.js";

after(close);

const scripted = process.env.ZYRON_SCRIPTED_URL;
assert(scripted, "ZYRON_SCRIPTED_URL is not set; `cargo xtask test` starts a server and sets it");

/// Opens the page and collects what it asks.
async function openAsking() {
  const playground = await open(scripted);
  const asked = [];
  playground.page.on("request", (request) => request.method() === "POST" && asked.push(request.postDataJSON()));
  return { ...playground, asked };
}

/// Sends a question and waits for the end of its answer, the last one shown.
async function answered(playground, question) {
  await ask(playground, question);
  await ended(playground);
}

const ended = ({ page, at }) =>
  until(async () => (await at("stop").count()) === 0 && (await page.locator("article.answer.running").count()) === 0);

const said = async ({ at }) => (await at("message-assistant").allTextContents()).map((text) => text.trim());

const user = (content) => ({ role: "user", content });
const assistant = (content) => ({ role: "assistant", content });

test("a question is changed, an answer done again, and the ways before stay", async () => {
  const playground = await openAsking();
  const { page, problems, at, asked } = playground;
  await answered(playground, "say un");
  await answered(playground, "say deux");
  await at("edit").nth(1).click();
  assert.equal(await at("input").inputValue(), "say deux");
  await at("cancel-edit").click();
  await at("edit").nth(1).click();
  await answered(playground, "say trois");
  assert.deepEqual(await said(playground), ["un", "trois"]);
  assert.deepEqual(asked.at(-1).messages, [user("say un"), assistant("un"), user("say trois")]);
  assert.equal(await at("version").textContent(), "2/2");

  await at("version-before").click();
  assert.deepEqual(await said(playground), ["un", "deux"]);
  await at("retry").nth(1).click();
  await ended(playground);
  assert.equal(await at("version").textContent(), "3/3");
  assert.deepEqual(await said(playground), ["un", "deux"]);

  // From the first answer another way, and back.
  await at("branch").first().click();
  assert.deepEqual(await said(playground), ["un"]);
  await at("continuation").click();
  assert.deepEqual(await said(playground), ["un", "deux"]);
  await at("branch").first().click();
  await answered(playground, "say quatre");
  assert.deepEqual(asked.at(-1).messages, [user("say un"), assistant("un"), user("say quatre")]);
  assert.equal(await at("version").textContent(), "4/4");
  await at("copy").first().waitFor();
  await screenshot(page, "versions");
  assert.deepEqual(problems, []);
});

test("two settings are compared side by side, each with its own conversation and its figures", async () => {
  const playground = await openAsking();
  const { page, problems, at, asked } = playground;
  await at("compare").check();
  await at("settings").click();
  await at("temperature").first().fill("0");
  await at("temperature").nth(1).fill("1,5");
  await at("system").nth(1).fill("Sois bref.");
  await at("max-tokens").nth(1).fill("3");
  await at("close").click();
  await answered(playground, "say bonjour");
  assert.deepEqual(await said(playground), ["bonjour", "bon"]);
  assert.deepEqual(asked.map(({ temperature }) => temperature).sort(), [0, 1.5]);
  const [names] = [await at("answer-of").allTextContents()];
  assert.match(names[0], /scripted · temperature 0$/);
  assert.match(names[1], /scripted · temperature 1,5, max_completion_tokens 3$/);
  assert.equal(await at("stats").filter({ hasText: "premier texte" }).count(), 2);

  await answered(playground, "say salut");
  const [first, second] = asked.slice(2).sort((one, other) => one.temperature - other.temperature);
  assert.deepEqual(first.messages, [user("say bonjour"), assistant("bonjour"), user("say salut")]);
  const system = { role: "system", content: "Sois bref." };
  assert.deepEqual(second.messages, [system, user("say bonjour"), assistant("bon"), user("say salut")]);
  await screenshot(page, "compare");

  // They are there the next time.
  await page.reload();
  await at("model").filter({ hasText: "contexte" }).waitFor();
  await at("settings").click();
  assert.equal(await at("temperature").first().inputValue(), "0");
  assert.deepEqual(problems, []);
});

test("a parameter that is none is refused before anything is sent, and so is one that the server refuses", async () => {
  const playground = await openAsking();
  const { at, asked } = playground;
  await at("settings").click();
  await at("temperature").fill("chaud");
  await at("close").click();
  await ask(playground, "say 1");
  await at("error").filter({ hasText: "temperature" }).waitFor();
  assert.equal(await at("input").inputValue(), "say 1");
  assert.deepEqual(asked, []);
  await at("settings").click();
  await at("temperature").fill("7");
  await at("close").click();
  await at("send").click();
  await at("error").filter({ hasText: "Le serveur a refusé la demande" }).waitFor();
  assert.equal(await at("input").inputValue(), "say 1");
});

test("an answer has the form that was asked for", async () => {
  const playground = await openAsking();
  const { at, asked } = playground;
  const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"], additionalProperties: false };
  await at("settings").click();
  await at("format").selectOption("json_schema");
  await at("schema").fill(JSON.stringify(schema));
  await at("close").click();
  await answered(playground, "Un nombre ?");
  assert.deepEqual(asked[0].response_format.json_schema.schema, schema);
  assert.equal(typeof JSON.parse((await said(playground))[0]).a, "number");
});

test("a developer sees what a model calls, and answers it", async () => {
  const playground = await openAsking();
  const { page, at, asked } = playground;
  const tool = { type: "function", function: { name: "cours", parameters: { type: "object", properties: {} } } };
  await at("settings").click();
  await at("tools").fill(JSON.stringify([tool]));
  await at("close").click();
  await ask(playground, 'say <tool_call>{"name": "cours", "arguments": {}}</tool_call>\n---\nIl est de 12.');
  await at("call").filter({ hasText: "cours({})" }).waitFor();
  await screenshot(page, "call");
  await at("call-result").fill('{"cours": 12}');
  await at("send-results").click();
  await until(async () => (await said(playground))[1] === "Il est de 12.");
  const { messages } = asked[1];
  assert.deepEqual(messages.map(({ role }) => role), ["user", "assistant", "tool"]);
  assert.equal(messages[1].tool_calls[0].function.name, "cours");
  assert.deepEqual(messages[2], { role: "tool", content: '{"cours": 12}', tool_call_id: messages[1].tool_calls[0].id });
});

test("what the server ran for the model is shown with what it gave", async () => {
  const playground = await openAsking();
  const { at } = playground;
  // Few figures: the scripted engine's tokens are bytes, and it has 8192 of them.
  await at("end").fill("2024-12-31");
  const sales = "Compte;Libellé;Débit;Crédit\n512000;Banque;10,00;\n707000;Ventes;;10,00\n";
  await at("files").setInputFiles({ name: "balance.csv", mimeType: "text/csv", buffer: Buffer.from(sales) });
  await playground.page.locator("tr[data-item=chiffre_affaires]").waitFor({ state: "attached" });
  await at("settings").click();
  await at("server-tools").check();
  await at("close").click();
  const call = '{"name": "lire_poste", "arguments": {"poste": "chiffre_affaires", "exercice": 2024}}';
  await ask(playground, `say <tool_call>${call}</tool_call>\n---\nFait.`);
  const shown = at("server-call").first();
  // Which of the tools is the grammar's choice as much as the script's.
  await shown.filter({ hasText: /lire_poste|calculer_ratios|convertir_unite/ }).waitFor();
  await shown.locator("summary").click();
  assert(plain(await shown.locator("pre").textContent()).length > 10, "what it gave");
  await until(async () => (await said(playground))[0] === "Fait.");
});

test("an answer that breaks off stays, and can be asked for again", async () => {
  const playground = await openAsking();
  const { page, at } = playground;
  await ask(playground, "fail");
  await at("error").filter({ hasText: "n’a pas pu terminer la réponse" }).waitFor();
  await at("stats").filter({ hasText: "réponse interrompue" }).waitFor();
  assert.deepEqual(await said(playground), ["abc"]);
  await screenshot(page, "broken");
  await at("retry").filter({ hasText: "Réessayer" }).click();
  await until(async () => (await at("version").count()) && (await at("version").textContent()) === "2/2");
});

test("a server that takes its time can be stopped, and one that is busy says for how long", async () => {
  const playground = await openAsking();
  const { page, at } = playground;
  await ask(playground, "stall");
  await page.getByText("Le modèle lit…").waitFor();
  await at("stop").click();
  await until(async () => (await at("input").inputValue()) === "stall");
  const error = { message: "busy", type: "rate_limit_error", param: null, code: "rate_limit_exceeded" };
  await page.route("**/v1/chat/completions", (route) =>
    route.fulfill({ status: 429, headers: { "retry-after": "12" }, json: { error } }),
  );
  await at("send").click();
  await at("error").filter({ hasText: "Le serveur est occupé. Réessayez dans 12 s." }).waitFor();
  assert.equal(await at("input").inputValue(), "stall");
});

test("a server that goes away in the middle leaves what it said", async () => {
  const playground = await openAsking();
  const { page, at } = playground;
  const chunk = { id: "a", object: "chat.completion.chunk", created: 1, model: "m", system_fingerprint: "f" };
  const choice = { index: 0, delta: { content: "Un début" }, logprobs: null, finish_reason: null };
  const body = `data: ${JSON.stringify({ ...chunk, choices: [choice] })}\n\n`;
  await page.route("**/v1/chat/completions", (route) =>
    route.fulfill({ status: 200, contentType: "text/event-stream", body }),
  );
  await ask(playground, "Bonjour");
  await at("error").filter({ hasText: "interrompue avant la fin de la réponse" }).waitFor();
  assert.deepEqual(await said(playground), ["Un début"]);
});

test("Markdown is shown without HTML, and numbers are marked within it", async () => {
  const playground = await openAsking();
  const { page, problems, at } = playground;
  await at("sample").click();
  await page.locator("tr[data-item=ebe]").waitFor();
  const text = [
    "say ## Titre",
    "L’EBE est de **138 460 €**. <img src=x onerror=alert()> <script>alert()</script>",
    "- [lien](javascript:alert()) et [autre](https://example.org)",
    "| Poste | Montant |\n|---|--:|\n| EBE | 138 460 € |",
  ].join("\n\n");
  await answered(playground, text);
  const answer = at("message-assistant");
  assert.equal(await answer.locator("h3, h4").textContent(), "Titre");
  assert.equal(await answer.locator("img, script").count(), 0);
  assert.match(await answer.textContent(), /<img src=x onerror=alert\(\)>/);
  assert.deepEqual(await answer.locator("a").evaluateAll((links) => links.map(({ href, rel }) => [href, rel])), [
    ["https://example.org/", "noopener noreferrer"],
  ]);
  assert.equal(await answer.locator("strong button.number.source").count(), 1);
  await answer.locator("td button.number.source").waitFor();
  await screenshot(page, "markdown");
  assert.deepEqual(problems, []);
});

test("an answer is there as it was written where what draws it is not, and drawn once it is", async () => {
  const playground = await openAsking();
  const { page, at } = playground;
  await page.route("**/assets/zyron_markdown.*", (route) => route.abort());
  const answer = at("message-assistant").first();
  await answered(playground, "say **Un** début\n\n- puis <b>rien</b>");
  await page.locator(".said .plain").waitFor();
  assert.equal(await answer.textContent(), "**Un** début\n\n- puis <b>rien</b>");
  await page.unroute("**/assets/zyron_markdown.*");
  await answered(playground, "say **Deux**");
  await drawn(page);
  assert.equal(await answer.locator("strong").textContent(), "Un");
  assert.equal(await answer.locator("li").textContent(), "puis <b>rien</b>");
  assert.equal(await at("message-assistant").nth(1).locator("strong").textContent(), "Deux");
});
