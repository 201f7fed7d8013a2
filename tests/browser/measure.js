// `cargo xtask bench page`: how large the page is, how soon it is there, and how even its frames are while it works,
// each beside the same page doing nothing. Writes page.json and page.md into the folder that it is given.
//
// Answers come from a server of its own at a steady pace, the rest from Zyron's scripted one behind it.

import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as ask } from "node:http";
import { tmpdir } from "node:os";
import { brotliCompressSync, constants } from "node:zlib";

import { close, ledger, open, until } from "./playground.js";

const scripted = new URL(process.env.ZYRON_SCRIPTED_URL);
const [out = "."] = process.argv.slice(2);
const TOKENS = 4000;
const TOKENS_PER_SECOND = 200;
const HISTORY = 100;
const LEDGER_LINES = 200_000;
const ROUNDS = 5;
// A telephone's, where it is not at its best.
const LINE_MBIT_PER_S = 4;
const LINE_LATENCY_MS = 60;

/// Markdown as models write it, four characters a token.
const TEXT = Array.from({ length: 60 }, (_, at) =>
  `### Partie ${at + 1}\n\nLe chiffre d’affaires est de **${at} 000 €** et la marge de ${at},5 %, ce qui est *peu*.\n\n` +
  `- un point sur les charges externes\n- un autre sur les délais de règlement\n\n| Poste | Montant |\n|---|--:|\n| EBE | ${at} 500 € |\n\n`,
).join("");

/// Says `tokens` tokens of the text, `pace` a second, or at once where it is 0.
async function answer(response, tokens, pace) {
  const chunk = { id: "a", object: "chat.completion.chunk", created: 1, model: "scripted", system_fingerprint: "f" };
  const send = (delta, finish_reason = null) =>
    response.write(`data: ${JSON.stringify({ ...chunk, choices: [{ index: 0, delta, logprobs: null, finish_reason }] })}\n\n`);
  response.writeHead(200, { "content-type": "text/event-stream" });
  const start = performance.now();
  for (let token = 0; token < tokens && !response.destroyed; token++) {
    send({ content: TEXT.slice((token * 4) % TEXT.length).slice(0, 4) });
    const due = pace ? start + (token * 1000) / pace - performance.now() : 0;
    if (due > 1) await new Promise((resolve) => setTimeout(resolve, due));
  }
  send({}, "stop");
  response.end("data: [DONE]\n\n");
}

const server = createServer((request, response) => {
  if (request.url === "/v1/chat/completions") {
    let body = "";
    request.on("data", (bytes) => (body += bytes));
    request.on("end", () => {
      const isLong = JSON.parse(body).messages.at(-1).content === "long";
      void answer(response, isLong ? TOKENS : 40, isLong ? TOKENS_PER_SECOND : 0);
    });
    return;
  }
  const { hostname, port } = scripted;
  const behind = ask({ hostname, port, path: request.url, method: request.method, headers: request.headers }, (given) => {
    response.writeHead(given.statusCode, given.headers);
    given.pipe(response);
  });
  request.pipe(behind);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const base = `http://127.0.0.1:${server.address().port}`;

/// The times between frames while `work` goes on, in milliseconds.
async function frames(page, work) {
  await page.evaluate(() => {
    const times = [];
    globalThis.frames_ = times;
    let last = performance.now();
    const frame = (now) => {
      // The last one of a measurement may come within the next.
      if (globalThis.frames_ !== times) return;
      times.push(now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  await work();
  const times = await page.evaluate(() => {
    const times = globalThis.frames_;
    globalThis.frames_ = null;
    return times.slice(1);
  });
  times.sort((one, other) => one - other);
  const at = (share) => Number((times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0).toFixed(1));
  return { frames: times.length, p50_ms: at(0.5), p95_ms: at(0.95), p99_ms: at(0.99), longest_ms: at(1) };
}

const results = { frames: {} };

// How large.
const names = ["zyron_web", "zyron_markdown", "zyron_reader", "zyron_pdf"];
const dist = new URL("../../web/dist/", import.meta.url);

results.modules = names.map((name) => {
  const file = readdirSync(new URL("assets/", dist)).find((file) => file.startsWith(`${name}.`) && file.endsWith(".wasm"));
  const bytes = readFileSync(new URL(`assets/${file}`, dist));
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  return { name, bytes: bytes.length, brotli: brotli.length };
});

// How soon, each in a profile of its own: without any cache.
async function paints(prepare) {
  const paints = [];
  for (let round = 0; round < ROUNDS; round++) {
    const { page, context } = await open(base, prepare);
    const paint = () => page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
    paints.push(await until(paint));
    await context.close();
  }
  return paints.map(Math.round).sort((one, other) => one - other);
}
results.first_paint_ms = await paints();
results.first_paint_over_a_line_ms = await paints(async (page) => {
  const session = await page.context().newCDPSession(page);
  const downloadThroughput = (LINE_MBIT_PER_S * 1_000_000) / 8;
  const line = { offline: false, latency: LINE_LATENCY_MS, downloadThroughput, uploadThroughput: -1 };
  await session.send("Network.emulateNetworkConditions", line);
});

// How even.
const wait = () => new Promise((resolve) => setTimeout(resolve, 5000));
const settled = ({ page, at }, count) =>
  until(async () => (await at("stats").count()) === count && (await page.locator("article.running").count()) === 0, 120);
const playground = await open(base);
const { page, at } = playground;
const send = async (question) => {
  await at("input").fill(question);
  await at("input").press("Enter");
};
results.frames["nothing"] = await frames(page, wait);
results.frames[`an answer of ${TOKENS} tokens`] = await frames(page, async () => {
  await send("long");
  await settled(playground, 1);
});
await at("new").click();
for (let exchange = 0; exchange < HISTORY / 2; exchange++) {
  await send(`question ${exchange}`);
  await settled(playground, exchange + 1);
}
results.frames[`nothing, behind ${HISTORY} messages`] = await frames(page, wait);
results.frames[`the same answer behind ${HISTORY} messages`] = await frames(page, async () => {
  await send("long");
  await settled(playground, HISTORY / 2 + 1);
});
const folder = mkdtempSync(`${tmpdir()}/zyron-`);
const { name, text: entries } = ledger(LEDGER_LINES);
const file = `${folder}/${name}`;
writeFileSync(file, entries);
const begun = performance.now();
results.frames[`reading a ledger of ${LEDGER_LINES} lines`] = await frames(page, async () => {
  await at("files").setInputFiles(file);
  await page.locator("tr[data-item=chiffre_affaires]").waitFor({ state: "attached", timeout: 120_000 });
});
results.ledger_s = Number(((performance.now() - begun) / 1000).toFixed(1));

await close();
server.close();
rmSync(folder, { recursive: true });

const rows = Object.entries(results.frames).map(
  ([what, of]) => `| ${what} | ${of.frames} | ${of.p50_ms} | ${of.p95_ms} | ${of.p99_ms} | ${of.longest_ms} |`,
);
const sizes = results.modules.map(({ name, bytes, brotli }) => `| ${name} | ${Math.round(bytes / 1000)} | ${Math.round(brotli / 1000)} |`);
const text = `# The playground in the browser

Made by \`cargo xtask bench page\`: headless Chromium without a GPU. The first row of each table of frames is the page
doing nothing, on the same machine in the same run; compare with that.

| module | kB | kB (brotli) |
|---|--:|--:|
${sizes.join("\n")}

\`zyron_web\` is the page. \`zyron_markdown\` comes with the first answer, \`zyron_reader\` with the first file that is read,
\`zyron_pdf\` with the first PDF.

First contentful paint in ${ROUNDS} new profiles: ${results.first_paint_ms.join(", ")} ms; over a line of ${LINE_MBIT_PER_S} Mbit/s with
${LINE_LATENCY_MS} ms of latency: ${results.first_paint_over_a_line_ms.join(", ")} ms.

| time between frames, in ms, during | frames | p50 | p95 | p99 | longest |
|---|--:|--:|--:|--:|--:|
${rows.join("\n")}

Answers of ${TOKENS} tokens come at ${TOKENS_PER_SECOND} tokens a second. The ledger was read in ${results.ledger_s} s.
`;
writeFileSync(`${out}/page.json`, JSON.stringify(results, null, 2) + "\n");
writeFileSync(`${out}/page.md`, text);
console.log(text);
