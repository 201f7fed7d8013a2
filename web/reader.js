// The worker that reads files, so that the page stays responsive and survives whatever a file does. The page posts
// { id, call, ...arguments }, and gets { id, value }, { id, refused } with a text in French, or { id, crashed }, after
// which the worker is of no use.
import start, { amount, excerpt, exported, read, reading, sample, sha256 } from "{{module}}";

const started = start({ module_or_path: "{{wasm}}" });

const open = async (file) => {
  try {
    return { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) };
  } catch {
    // It was moved, changed or deleted since it was chosen.
    throw `${file.name}\u00a0: le fichier n’est plus lisible\u202f; ouvrez-le de nouveau`;
  }
};

// What reads PDFs is loaded with the first of them.
let loaded;

const pdf = async ({ name, bytes }) => {
  loaded ??= import("{{pdf_module}}").then(async (module) => {
    await module.default({ module_or_path: "{{pdf_wasm}}" });
    return module;
  });
  const { pages } = await loaded.catch((error) => {
    loaded = undefined;
    throw error;
  });
  try {
    return pages(bytes);
  } catch (error) {
    // What it keeps of a file it does not keep for the next, so a crash over one is the end of that one only.
    const reason = typeof error === "string" ? error : "ce PDF n’a pas pu être lu";
    throw `${name}\u00a0: ${reason}`;
  }
};

const isPdf = ({ bytes }) => new TextDecoder("latin1").decode(bytes.subarray(0, 1024)).includes("%PDF-");

// The file as the reader takes it: of a PDF its text.
const readable = async (file) =>
  isPdf(file) ? { ...file, bytes: new TextEncoder().encode(await pdf(file)) } : file;

// Characters of a text that is no PDF.
const MOST_TEXT = 4_000_000;

const decode = ({ name, bytes }) => {
  if (bytes.subarray(0, 4096).includes(0)) throw `${name}\u00a0: ce n’est ni un texte ni un PDF`;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
};

const calls = {
  // files: [File], end: "2024-12-31" or "" → { statement: JSON, files: [{ name, sha256 }] }
  async read({ files, end }) {
    const opened = await Promise.all(files.map(open));
    const statement = read(await Promise.all(opened.map(readable)), end);
    return { statement, files: opened.map(({ name, bytes }) => ({ name, sha256: sha256(bytes) })) };
  },

  // statement: JSON, corrections: JSON → JSON of { reading: a Reading, charts }
  reading: ({ statement, corrections }) => reading(statement, corrections),

  // written: "12 345,67" → "12345.67"
  amount: ({ written }) => amount(written),

  // files: [File], place: JSON of a Place → JSON of an Excerpt
  async excerpt({ files, place }) {
    const { file: wanted } = JSON.parse(place);
    const own = files.filter(({ name }) => name === wanted);
    let refused = `${wanted}\u00a0: le fichier n’est pas ouvert`;
    // What is in none of their names is in an archive.
    for (const file of own.length > 0 ? own : files) {
      try {
        const { name, bytes } = await readable(await open(file));
        return excerpt(bytes, name, place);
      } catch (error) {
        if (typeof error !== "string") throw error;
        if (own.length > 0) refused = error;
      }
    }
    throw refused;
  },

  // kind: "markdown", "csv" or "xlsx", statement: JSON, corrections: JSON, notes: JSON of texts → Uint8Array
  export: ({ kind, statement, corrections, notes }) => exported(kind, statement, corrections, notes),

  // file: File, a PDF or a text → JSON of { pages }, their texts
  async text({ file }) {
    const opened = await open(file);
    if (!isPdf(opened)) return JSON.stringify({ pages: [decode(opened).slice(0, MOST_TEXT)] });
    const { pages } = JSON.parse(await pdf(opened));
    const line = (cells) => cells.filter((cell) => cell).join("\t");
    return JSON.stringify({ pages: pages.map((page) => page.map(line).join("\n")) });
  },

  // → [File]
  sample: () => sample().map(({ name, bytes }) => new File([bytes], name)),
};

onmessage = async ({ data }) => {
  const { id, call } = data;
  try {
    await started;
    postMessage({ id, value: await calls[call](data) });
  } catch (error) {
    postMessage(typeof error === "string" ? { id, refused: error } : { id, crashed: String(error) });
  }
};
