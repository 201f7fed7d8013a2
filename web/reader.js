// The worker that reads files, so that the page stays responsive and survives whatever a file does. The page posts
// { id, call, ...arguments }, and gets { id, value }, { id, refused } with a text in French, or { id, crashed }, after
// which the worker is of no use.
import start, { excerpt, exported, read, reading, sample, sha256 } from "{{module}}";

const started = start({ module_or_path: "{{wasm}}" });

const open = async (file) => {
  try {
    return { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) };
  } catch {
    // It was moved, changed or deleted since it was chosen.
    throw `${file.name}\u00a0: le fichier n’est plus lisible\u202f; ouvrez-le de nouveau`;
  }
};

const calls = {
  // files: [File], end: "2024-12-31" or "" → { statement: JSON, files: [{ name, sha256 }] }
  async read({ files, end }) {
    const opened = await Promise.all(files.map(open));
    const statement = read(opened, end);
    return { statement, files: opened.map(({ name, bytes }) => ({ name, sha256: sha256(bytes) })) };
  },

  // statement: JSON, corrections: JSON → JSON of a Reading
  reading: ({ statement, corrections }) => reading(statement, corrections),

  // files: [File], place: JSON of a Place → JSON of an Excerpt
  async excerpt({ files, place }) {
    const { file: wanted } = JSON.parse(place);
    const own = files.filter(({ name }) => name === wanted);
    let refused = `${wanted}\u00a0: le fichier n’est pas ouvert`;
    // What is in none of their names is in an archive.
    for (const file of own.length > 0 ? own : files) {
      const { name, bytes } = await open(file);
      try {
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
