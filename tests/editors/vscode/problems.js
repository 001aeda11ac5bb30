// Problems that VS Code's own JSON service finds: one is chosen to be fixed by Flux. See tests/editors/test_vscode_problems.py.
// Exit status 0: every check passed.

const fs = require("node:fs");
const path = require("node:path");
const { drive } = require("./driver.js");

const FILE = "data.json";
const onDisk = () => fs.readFileSync(path.join(process.env.FLUX_TEST_FOLDER, FILE), "utf8");

drive(async (window) => {
  const seen = () => window.lines(FILE);
  const errors = () => window.page.locator(".squiggly-error").count();
  const saved = onDisk();

  await window.open(FILE);
  await window.focus(FILE);
  await window.press("Control+Home");
  await window.type("\n");
  const before = await window.until("a line is typed", seen, (text) => text.startsWith("\n{"));
  await window.until("VS Code finds an error", errors, (count) => count > 0);
  await window.goTo("3:13");
  await window.codeAction("Flux: fix: ");
  await window.until("the problem is fixed", seen, (text) => text.includes(process.env.FLUX_TEST_EXPECTED));
  await window.until("VS Code finds it no more", errors, (count) => count === 0);
  const spinning = () => window.page.locator(".statusbar-item[id$='flux'] .codicon-loading").count();
  await window.until("the status bar has the model", () => window.statusText(), (text) => text.includes("scripted"));
  await window.until("its turn ends", spinning, (count) => count === 0);
  await window.check("the file on disk is as it was", onDisk(), (text) => text === saved);
  await window.focus(FILE);
  await window.press("Control+z");
  await window.until("one undo takes the edit back", seen, (text) => text === before);
});
