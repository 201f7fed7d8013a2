// How the page looks, reads, prints and is used without a mouse.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";

import { answered, ask, close, frames, open, sample, screenshot, until } from "./playground.js";

after(close);

const scripted = process.env.ZYRON_SCRIPTED_URL;
assert(scripted, "ZYRON_SCRIPTED_URL is not set; `cargo xtask test` starts a server and sets it");

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 800 };
const WIDTHS = [320, 390, 1280, 1920];

// A heading, a list, a table, code and a number of each verdict: the last is one that nobody gave.
const ANSWER = `say ## Rentabilité
L’EBE est de **138 460 €** (3,3 %), en recul de 68 064 €.

- Point : 12 ;
- \`code\` et [lien](https://www.insee.fr).

| Poste | 2024 |
| --- | ---: |
| EBE | 138 460 € |

\`\`\`
EBE = 138460
\`\`\`

> Soit 4 321 987 € ?`;

const plain = (text) => text.replace(/[\u00a0\u202f]/g, " ");

/// The verdicts of an answer are the server's; here they are of all kinds.
const withVerdicts = (page) =>
  page.route("**/v1/finance/analyses", async (route) => {
    const response = await route.fetch();
    const derived = '"kind":"derived","expression":"206 524 − 138 460","value":"68064","facts":["F1"]';
    const kinds = ['"kind":"not_found"', derived];
    const body = (await response.text()).replaceAll('"kind":"given"', (kind) => kinds.pop() ?? kind);
    await route.fulfill({ response, body });
  });

/// Puts on a phone what is asked for in front.
const shows = async ({ at }, tab) => {
  if (await at(tab).isVisible()) await at(tab).click();
};

async function closed({ page, at }) {
  await at("close").click();
  await page.locator("dialog[open]").waitFor({ state: "detached" });
}

const unfold = (page) =>
  page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));

/// The views of the page, in an order in which each leads to the next.
const VIEWS = [
  { name: "start", enter: () => {} },
  {
    name: "accounts",
    tab: "tab-desk",
    async enter(playground) {
      await sample(playground);
      await unfold(playground.page);
      await playground.page.locator("tr[data-item=ebe] button").click();
      await playground.at("parts").waitFor();
    },
  },
  {
    name: "a line",
    tab: "tab-desk",
    async enter({ page, at }) {
      await at("input-item").filter({ hasText: "Salaires" }).click();
      await page.locator("#row-salaires button[aria-expanded=true]").waitFor();
    },
  },
  {
    name: "source",
    tab: "tab-desk",
    async enter({ at }) {
      await at("parts").getByTestId("place").last().click();
      await at("source-title").waitFor();
    },
    isDialog: true,
    leave: closed,
  },
  {
    name: "corrected",
    tab: "tab-desk",
    async enter({ at }) {
      await at("correct-amount").fill("500 000");
      await at("correct").click();
      await at("corrections").waitFor();
    },
    async leave({ at }) {
      await at("undo-correction").click();
      await at("corrections").waitFor({ state: "detached" });
    },
  },
  {
    name: "answer",
    async enter(playground) {
      await withVerdicts(playground.page);
      await answered(playground, ANSWER);
      for (const kind of ["source", "given", "derived", "not-found"]) {
        await playground.page.locator(`.number.${kind}`).first().waitFor();
      }
    },
  },
  {
    name: "compared",
    async enter(playground) {
      const { at } = playground;
      await at("compare").check();
      await answered(playground, "say L’EBE est de 138 460 €.", 2);
      await at("answer-of").nth(1).waitFor();
      await at("retry").last().click();
      await at("version").filter({ hasText: "2/2" }).waitFor();
      await at("stats").nth(2).filter({ hasText: "écrits" }).waitFor();
      await at("edit").last().click();
      await at("cancel-edit").waitFor();
    },
  },
  {
    name: "settings",
    async enter({ at }) {
      await at("settings").click();
      await at("format").first().selectOption("json_schema");
      await at("schema").waitFor();
    },
    isDialog: true,
    leave: closed,
  },
  {
    name: "library",
    async enter({ at }) {
      await at("library").click();
      await at("kept").nth(1).waitFor();
      await at("delete").first().click();
    },
    isDialog: true,
    leave: closed,
  },
  {
    name: "code",
    async enter({ page, at }) {
      await at("settings").click();
      await at("format").first().selectOption("text");
      await closed({ page, at });
      await at("code").click();
      await at("program").waitFor();
    },
    isDialog: true,
    leave: closed,
  },
  {
    name: "trouble",
    async enter({ page, at }) {
      const error = { message: "m", type: "invalid_request_error", param: null, code: "invalid_api_key" };
      await page.unrouteAll();
      await page.route("**/v1/finance/analyses", (route) => route.fulfill({ status: 401, json: { error } }));
      await at("input").fill("Et la trésorerie ?");
      await at("send").click();
      await at("key").waitFor();
      await at("files").setInputFiles({ name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("Bonjour") });
      await at("desk-error").filter({ hasText: "notes.txt" }).waitFor();
    },
  },
];

/// Goes through the views; what `look` finds wrong in any of them is told at the end.
async function every(look) {
  const playground = await open(scripted);
  const { page } = playground;
  await page.setViewportSize(DESKTOP);
  const wrong = new Map();
  for (const view of VIEWS) {
    await view.enter(playground);
    // In a later view it is the same, still there.
    for (const what of await look(playground, view)) wrong.set(what, wrong.get(what) ?? view.name);
    await page.setViewportSize(DESKTOP);
    await view.leave?.(playground);
  }
  return [...wrong].map(([what, view]) => `${view}: ${what}`).join("\n");
}

/// Has the page that size, and in front on a phone what the view is about.
async function fit(playground, view, size) {
  await playground.page.setViewportSize(size);
  if (!view.isDialog) await shows(playground, view.tab ?? "tab-talk");
}

test("axe finds nothing, in light and dark, on a phone and on a desk", async () => {
  const wrong = await every(async (playground, view) => {
    const { page } = playground;
    const found = [];
    await page.evaluate(AXE);
    for (const size of [DESKTOP, PHONE]) {
      await fit(playground, view, size);
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        await screenshot(page, `${view.name}-${size.width}-${colorScheme}`);
        // In the dark only the colours are others.
        const only = colorScheme === "dark" ? { runOnly: ["color-contrast"] } : {};
        const { violations, passes, incomplete } = await page.evaluate((options) => axe.run(document, options), only);
        // On a phone it gives up where a table goes beyond the edge; the colours are those of the desk.
        const gaveUp = size === PHONE && incomplete.some(({ id, error }) => id === "color-contrast" && error);
        assert(gaveUp || passes.some(({ id }) => id === "color-contrast"), `axe has looked at ${view.name}, ${size.width}, ${colorScheme}`);
        for (const { id, help, nodes } of violations) {
          const where = nodes.slice(0, 3).map(({ html, any }) => `${html.slice(0, 160)} ${any[0]?.message ?? ""}`);
          found.push(`${size.width} ${colorScheme} ${id} (${help}), ${nodes.length}:\n    ${where.join("\n    ")}`);
        }
      }
    }
    await page.emulateMedia({ colorScheme: "light" });
    return found;
  });
  assert.equal(wrong, "");
});

test("nothing is wider than its place, from a small phone to a wide screen", async () => {
  const wrong = await every(async (playground, view) => {
    const { page } = playground;
    const found = [];
    for (const width of WIDTHS) {
      await fit(playground, view, { width, height: 800 });
      const wide = await page.evaluate(() => {
        const found = [];
        const root = document.scrollingElement;
        if (root.scrollWidth > root.clientWidth) found.push(`the page by ${root.scrollWidth - root.clientWidth}`);
        // Tables and programs scroll in their own place, and fields in theirs.
        const mayScroll = ".scroll, .scroll *, pre, pre *, textarea, input, select, .hidden, .top p, svg, svg *, .skip";
        for (const element of document.querySelectorAll("body *")) {
          if (element.matches(mayScroll) || !element.checkVisibility()) continue;
          const { scrollWidth, clientWidth, offsetWidth } = element;
          const name = `${element.localName}.${element.className}`;
          if (getComputedStyle(element).overflowX !== "visible" && scrollWidth > clientWidth) {
            found.push(`${name} scrolls by ${scrollWidth - clientWidth}`);
          }
          const { left, right } = element.getBoundingClientRect();
          if (offsetWidth > 0 && (left < -1 || right > innerWidth + 1)) {
            found.push(`${name} from ${Math.round(left)} to ${Math.round(right)}: ${element.textContent.slice(0, 40)}`);
          }
        }
        return found;
      });
      if (width === 320) await screenshot(page, `${view.name}-320`);
      if (wide.length > 0) found.push(`${width}: ${wide.slice(0, 4).join("; ")}`);
    }
    return found;
  });
  assert.equal(wrong, "");
});

test("every word is written as the French write", async () => {
  const wrong = await every(async ({ page }) => {
    const said = await page.evaluate(() => {
      // What the model, the analyst or a file says is theirs, and a program is no French.
      const of = ["message-user", "company", "open"].map((name) => `[data-testid=${name}]`);
      const theirs = ["code, pre, textarea, .said, .excerpt, [lang=en]", ...of].join();
      const texts = [];
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT);
      for (let element = document.body; element; element = walker.nextNode()) {
        if (element.closest(theirs)) continue;
        for (const name of ["title", "aria-label", "placeholder"]) {
          if (element.hasAttribute(name)) texts.push(element.getAttribute(name));
        }
        const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
        if (own.length > 0 && element.checkVisibility()) texts.push(own.map(({ data }) => data).join(""));
      }
      return texts;
    });
    assert(said.length > 20);
    // A plain space, or none, before what has another one; straight quotes; three dots; a plain space in a number.
    const bad = /[^\s\u00a0\u202f] ?[:;!?»](?=\s|$)|[^\s\u00a0\u202f] [%€]|«[^\u00a0\u202f]|'|"|\.\.\.|\d \d{3}(?!\d)/;
    const told = (text) => `${JSON.stringify(text.slice(0, 200))} has ${JSON.stringify(text.match(bad)[0])}`;
    return said.filter((text) => bad.test(text)).map(told);
  });
  assert.equal(wrong, "");
});

test("a screen reader is told what there is, and what it is called", async () => {
  const playground = await open(scripted);
  const { page, at, problems } = playground;
  const has = (snapshot, lines) => {
    const left = plain(snapshot).split("\n").map((line) => line.trim());
    for (const line of lines) {
      const place = left.indexOf(line);
      assert(place >= 0, `${line} is in its place in:\n${plain(snapshot)}`);
      left.splice(0, place + 1);
    }
  };
  const header = await page.locator("header.top").ariaSnapshot();
  has(header, [
    "- banner:",
    '- heading "Zyron" [level=1]',
    "- paragraph: scripted · F32 · contexte de 8 192 tokens",
    '- button "Nouvelle conversation" [disabled]',
    '- button "Bibliothèque"',
    '- button "Paramètres"',
    '- button "Code"',
    '- button "English"',
  ]);
  await sample(playground);
  await page.locator("tr[data-item=ebe] button").click();
  await at("parts").waitFor();
  has(await page.locator(".desk").ariaSnapshot(), [
    '- region "Comptes de la société":',
    '- button "Choisir des fichiers"',
    '- button "Société d’exemple"',
    '- textbox "Clôture, si les fichiers ne la disent pas"',
    '- heading "Ormeau Négoce (exemple), SIREN 732 829 320" [level=2]',
    '- button "Imprimer"',
    '- heading "Du chiffre d’affaires au résultat" [level=3]',
    '- combobox "Exercice clos le":',
    '- region "Soldes intermédiaires de gestion et capacité d’autofinancement":',
    '- columnheader "Poste"',
    '- row "Excédent brut d’exploitation 191 028 € 206 524 € 138 460 € −33,0 %":',
    '- button "Excédent brut d’exploitation" [expanded]',
    '- cell "138 460 €"',
    '- button "Salaires et traitements"',
  ]);
  await answered(playground, "say L’EBE est de 138 460 €.");
  has(await page.locator("section.talk").ariaSnapshot(), [
    '- region "Conversation avec le modèle":',
    '- log "Conversation":',
    "- article:",
    '- button "Modifier"',
    `- 'button "138 460 € (Excédent brut d’exploitation 2024 : 138 460 €)"'`,
    '- button "Refaire"',
    '- combobox "Analyse":',
    '- option "Soldes intermédiaires de gestion"',
    '- checkbox "Avec les comptes" [checked]',
    '- checkbox "Comparer deux réglages"',
    '- textbox "Votre question":',
    '- button "Envoyer" [disabled]',
  ]);
  const picture = await page.locator("svg").first().ariaSnapshot();
  assert.match(picture, /img "Du chiffre d’affaires au résultat Exercice clos le/);
  assert.deepEqual(problems, []);
});

/// Where the focus is, in a word.
const focused = (page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    return element.dataset.testid ?? (element.className || element.textContent.trim() || element.localName);
  });

test("the keyboard reaches everything, in the order that it is read in", async () => {
  const playground = await open(scripted);
  const { page, at } = playground;
  const order = [];
  for (let at = 0; at < 7; at++) {
    await page.keyboard.press("Tab");
    order.push(await focused(page));
  }
  assert.deepEqual(order, ["skip", "library", "settings", "code", "language", "files", "sample"]);
  await page.keyboard.press("Shift+Tab");
  assert.equal(await focused(page), "files");

  await page.reload();
  await at("model").filter({ hasText: "contexte" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.locator(".skip").isVisible(), true);
  await page.keyboard.press("Enter");
  assert.equal(await focused(page), "input");

  await sample(playground);
  await answered(playground, "say L’EBE est de 138 460 €.");
  await at("input").fill("Et ensuite ?");
  const missed = () =>
    page.evaluate(() => {
      const kinds = "a[href], button:enabled, input:enabled, select, textarea, summary, [tabindex='0']";
      const all = [...document.querySelectorAll(kinds)].filter((element) => element.checkVisibility());
      return all.filter((element) => !reached.has(element)).map((element) => element.outerHTML.slice(0, 200));
    });
  await page.evaluate(() => {
    globalThis.reached = new Set();
    addEventListener("focusin", ({ target }) => reached.add(target));
  });
  // A date has several stops.
  const count = (await missed()).length + 10;
  for (let step = 0; step < count && (await missed()).length > 0; step++) await page.keyboard.press("Tab");
  assert.deepEqual(await missed(), []);
});

test("a number of an answer leads to its row by the keyboard, on a phone too", async () => {
  const playground = await open(scripted);
  const { page } = playground;
  await sample(playground);
  await answered(playground, "say L’EBE est de 138 460 €, le résultat d’exploitation de 41 213 €.");
  for (const [size, number, item] of [[DESKTOP, "138", "ebe"], [PHONE, "41", "resultat_exploitation"]]) {
    await fit(playground, {}, size);
    await page.locator("button.number.source").filter({ hasText: new RegExp(`^${number}\\s`) }).focus();
    await page.keyboard.press("Enter");
    const row = page.locator(`tr[data-item=${item}]`);
    await row.locator("button:focus").waitFor();
    assert.equal(await row.locator("button").getAttribute("aria-expanded"), "true");
    const { y, height } = await row.boundingBox();
    assert(y > 0 && y + height < size.height, "it is in sight");
    await page.keyboard.press("Enter");
    await page.locator("[data-testid=parts]").waitFor({ state: "detached" });
  }
});

test("a dialog closes by Escape, and the focus is back where it was", async () => {
  const playground = await open(scripted);
  const { page, at } = playground;
  await at("input").fill("say un");
  for (const name of ["library", "settings", "code"]) {
    for (const leave of ["Escape", "Fermer"]) {
      await at(name).focus();
      await page.keyboard.press("Enter");
      await at("close").waitFor();
      assert(await page.evaluate(() => document.activeElement.closest("dialog") !== null), `${name} has the focus`);
      if (leave === "Escape") await page.keyboard.press("Escape");
      else await at("close").press("Enter");
      await at("close").waitFor({ state: "detached" });
      assert.equal(await focused(page), name, `after ${leave}`);
    }
  }
  await sample(playground);
  await page.locator("tr[data-item=ebe] button").click();
  await at("input-item").filter({ hasText: "Salaires" }).click();
  await page.locator("#row-salaires button:focus").waitFor();
  await at("parts").getByTestId("place").first().focus();
  await page.keyboard.press("Enter");
  await at("source-title").waitFor();
  await page.keyboard.press("Escape");
  await at("close").waitFor({ state: "detached" });
  assert.equal(await focused(page), "place");
});

test("the focus is not lost where a button goes away", async () => {
  const playground = await open(scripted);
  const { page, at } = playground;
  const lost = [];
  const check = async (what, allowed) => {
    // A control that goes away or is off loses the focus by the next frame.
    await frames(page);
    const where = await focused(page);
    const isBody = await page.evaluate(() => document.activeElement === document.body);
    if (isBody || (allowed && !allowed.includes(where))) lost.push(`${what}: ${isBody ? "nowhere" : where}`);
  };
  const press = async (button) => {
    await button.focus();
    await page.keyboard.press("Enter");
  };
  await at("input").fill("stall");
  await press(at("send"));
  await at("stop").waitFor();
  await check("send", ["input", "stop"]);
  await press(at("stop"));
  await at("send").waitFor();
  await check("stop", ["input", "send"]);
  await at("input").fill("");
  await answered(playground, "say un");
  await check("Enter in the field", ["input"]);
  await press(at("retry"));
  await at("version").filter({ hasText: "2/2" }).waitFor();
  await at("stats").filter({ hasText: "écrits" }).waitFor();
  await check("retry");
  await press(at("version-before"));
  await at("version").filter({ hasText: "1/2" }).waitFor();
  await check("version-before");
  await press(at("edit"));
  await at("cancel-edit").waitFor();
  await check("edit", ["input"]);
  await press(at("cancel-edit"));
  await at("cancel-edit").waitFor({ state: "detached" });
  await check("cancel-edit", ["input"]);
  await at("input").fill("");
  await sample(playground);
  await press(page.locator("tr[data-item=ebe] button"));
  await press(at("input-item").filter({ hasText: "Salaires" }));
  await page.locator("#row-salaires button:focus").waitFor();
  await at("correct-amount").fill("500 000");
  await press(at("correct"));
  await at("corrections").waitFor();
  await check("correct");
  await press(at("undo-correction"));
  await at("corrections").waitFor({ state: "detached" });
  await check("undo-correction");
  await press(at("clear-desk"));
  await at("company").waitFor({ state: "detached" });
  await check("clear-desk");
  await press(at("language"));
  await page.locator("html[lang=en]").waitFor();
  await check("language", ["language"]);
  await press(at("language"));
  await page.locator("html[lang=fr]").waitFor();
  await press(at("new"));
  await at("message-user").waitFor({ state: "detached" });
  await check("new", ["input"]);
  await at("library").click();
  await at("kept").first().waitFor();
  const count = await at("kept").count();
  await press(at("delete").first());
  await press(at("delete").first());
  await at("kept").nth(count - 1).waitFor({ state: "detached" });
  await check("delete");
  assert.deepEqual(lost, []);
});

test("in English and back, the conversation and the accounts stay", async () => {
  const playground = await open(scripted);
  const { page, at, problems } = playground;
  await sample(playground);
  await answered(playground, "say L’EBE est de 138 460 €.");
  await page.locator("button.number.source").click();
  await at("parts").waitFor();
  await at("input").fill("Et ensuite ?");
  const shown = async () => ({
    question: await at("message-user").textContent(),
    answer: await at("message-assistant").textContent(),
    company: await at("company").textContent(),
    row: await page.locator("tr[data-item=ebe]").textContent(),
    parts: await at("parts").count(),
    draft: await at("input").inputValue(),
  });
  const before = await shown();
  const french = /^premier texte en [\d\u202f]+ ms · [\d\u202f]+,\d tokens\/s · \d\u202f\d{3} tokens lus, \d\d écrits$/;
  assert.match(await at("stats").textContent(), french);

  await at("language").click();
  await page.locator("html[lang=en]").waitFor();
  assert.deepEqual(await shown(), before);
  assert.match(await at("model").textContent(), /context of 8,192 tokens$/);
  const english = /^first text in [\d,]+ ms · [\d,]+\.\d tokens\/s · \d,\d{3} tokens read, \d+ written$/;
  assert.match(await at("stats").textContent(), english);
  assert.match(await at("notice").textContent(), /artificial intelligence/);
  await screenshot(page, "english");
  await page.reload();
  await at("model").filter({ hasText: "context of" }).waitFor();
  assert.equal(await page.locator("html").getAttribute("lang"), "en", "it is kept");
  await at("library").click();
  await at("kept").nth(1).waitFor();
  assert.match(await at("kept").first().locator("time").textContent(), /^\d\d\/\d\d\/\d{4}, \d\d:\d\d$/);
  await at("open").first().click();
  await page.locator("tr[data-item=ebe]").waitFor();
  // What the page itself says is English; the accounts, the analyses on offer and what was asked are not.
  const said = await page.evaluate(() => {
    const of = ["message-user", "language"].map((name) => `[data-testid=${name}]`);
    const theirs = ["select, .said, .desk li, .desk figure, .desk table, summary, h2, dialog", ...of].join();
    const all = [...document.querySelectorAll(theirs)];
    all.forEach((element) => (element.style.visibility = "hidden"));
    const text = document.body.innerText;
    all.forEach((element) => (element.style.visibility = ""));
    return text;
  });
  assert.doesNotMatch(said, /[àâçéèêëîïôûù]|\b(de|les?|une?|pour)\b/i);

  await at("language").click();
  await page.locator("html[lang=fr]").waitFor();
  assert.match(await at("model").textContent(), /contexte de 8\u202f192 tokens$/);
  assert.match(await at("stats").textContent(), french);
  assert.deepEqual(await shown(), { ...before, parts: 0, draft: "" });
  assert.deepEqual(problems, []);
});

test("on paper are the accounts, the conversation, and where both are from", async () => {
  const playground = await open(scripted);
  const { page, at, problems } = playground;
  await sample(playground);
  await answered(playground, "say L’EBE est de 138 460 €.");
  const folded = () => page.locator("details:not([open])").count();
  const before = await folded();
  assert(before > 0);
  // The page waits for the print, as it does in a browser with a window.
  await page.evaluate(() => {
    globalThis.printed = [];
    globalThis.print = () => printed.push(document.querySelectorAll("details:not([open])").length);
  });
  await at("print").click();
  assert.deepEqual(await page.evaluate(() => printed), [0], "all is unfolded while it prints");
  assert.equal(await folded(), before, "and folded again");

  await unfold(page);
  await page.emulateMedia({ media: "print" });
  const stamp = page.locator(".stamp");
  assert.equal(await stamp.isVisible(), true);
  assert.match(await stamp.textContent(), /SHA-256 [0-9a-f]{64}/);
  const paper = await page.locator("body").innerText();
  assert.match(paper, /ne constitue pas un conseil en investissement/);
  assert.match(paper, /intelligence artificielle/);
  assert.match(plain(paper), /L’EBE est de 138 460 €/);
  const onDesk = ["sample", "print", "export-csv", "library", "tab-desk"];
  for (const name of [...onDesk, "input", "send", "retry", "edit", "export-talk"]) {
    assert.equal(await at(name).first().isVisible(), false, `${name} is not on paper`);
  }
  await screenshot(page, "print");
  const nameless = await page.evaluate(() => {
    const rows = [...document.querySelectorAll("tbody tr")].filter((row) => row.checkVisibility());
    return rows.filter((row) => row.querySelector("th")?.innerText.trim() === "").length;
  });
  assert.equal(nameless, 0, "each row of each table has its name");
  const cut = await page.evaluate(() =>
    [...document.querySelectorAll("main, .desk, .talk, .scroller, .scroll")]
      .filter((element) => getComputedStyle(element).overflowY !== "visible")
      .filter((element) => element.scrollHeight > element.clientHeight + 1)
      .map((element) => element.className),
  );
  assert.deepEqual(cut, []);
  const pdf = (await page.pdf({ format: "A4", printBackground: true })).toString("latin1");
  assert(pdf.startsWith("%PDF-"));
  assert(pdf.match(/\/Type \/Page\b/g).length > 3, "it goes on over pages");
  assert.deepEqual(problems, []);
});

test("nothing moves for those who do not want it to", async () => {
  const playground = await open(scripted);
  const { page, at } = playground;
  const moving = () => page.evaluate(() => document.getAnimations().length);
  await ask(playground, "stall");
  await page.locator(".waiting").waitFor();
  assert.equal(await moving(), 1, "there is something that moves");
  await page.emulateMedia({ reducedMotion: "reduce" });
  assert.equal(await moving(), 0);
  await at("stop").click();
  await until(async () => (await at("stop").count()) === 0);
});
