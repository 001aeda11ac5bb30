// VS Code's own TypeScript service is asked by the model, and renames. See tests/editors/test_vscode_queries.py.
// Exit status 0: every check passed.

const fs = require("node:fs");
const path = require("node:path");
const { drive } = require("./driver.js");

const onDisk = () => fs.readFileSync(path.join(process.env.FLUX_TEST_FOLDER, "a.js"), "utf8");

drive(async (window) => {
  const seen = () => window.lines("a.js");
  const saved = onDisk();
  await window.open("a.js");
  await window.focus("a.js");
  await window.press("Control+Home");
  await window.type("\n");
  const before = await window.until("a line is typed", seen, (text) => text.startsWith("\n"));
  await window.until("VS Code finds the unused name", () => window.page.locator(".squiggly-hint, .squiggly-error").count(), (count) => count > 0);
  await window.run("Flux: Edit Selection…");
  await window.answer("Rename it.");
  await window.until("it is renamed", seen, (text) => text.includes(process.env.FLUX_TEST_EXPECTED));
  const spinning = () => window.page.locator(".statusbar-item[id$='flux'] .codicon-loading").count();
  await window.until("its turn ends", spinning, (count) => count === 0);
  await window.check("the file on disk is as it was", onDisk(), (text) => text === saved);
  await window.focus("a.js");
  await window.press("Control+z");
  await window.until("one undo takes it back", seen, (text) => text === before);
});
