// Starts the page. In a file of its own because the content security policy allows no script inside the page.
import load, { start } from "{{module}}";

// What draws answers is loaded with the first of them.
const loadMarkdown = async () => {
  const module = await import("{{markdown_module}}");
  await module.default({ module_or_path: "{{markdown_wasm}}" });
  return module;
};

try {
  await load({ module_or_path: "{{wasm}}" });
  start(loadMarkdown);
} catch (error) {
  console.error(error);
  document.body.textContent = "La page n’a pas pu démarrer. Rechargez-la, ou essayez un autre navigateur.";
}
