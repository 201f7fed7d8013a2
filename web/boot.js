// Starts the page. In a file of its own because the content security policy allows no script inside the page.
import start from "{{module}}";

try {
  await start({ module_or_path: "{{wasm}}" });
} catch (error) {
  console.error(error);
  document.body.textContent = "La page n’a pas pu démarrer. Rechargez-la, ou essayez un autre navigateur.";
}
