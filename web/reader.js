// The worker that reads files, so that the page stays responsive and survives whatever a file does.
import start, { read } from "{{module}}";

const started = start({ module_or_path: "{{wasm}}" });

onmessage = async ({ data: { files, end } }) => {
  try {
    await started;
    postMessage({ reading: read(files, end) });
  } catch (error) {
    // What is wrong with a file is a text; anything else is a crash, after which the worker is of no use.
    postMessage(typeof error === "string" ? { refused: error } : { crashed: String(error) });
  }
};
