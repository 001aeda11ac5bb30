// Proposals in a real VS Code: its refactor preview shows what is proposed, nothing is made before a yes, and what is
// left is decided on by lenses, the menu of code actions and Flux's own list. See tests/editors/test_vscode_review.py.

const fs = require("node:fs");
const path = require("node:path");
const { drive } = require("./driver.js");

const FILE = "a.py";
const CHAT = "Flux chat.md";
const folder = process.env.FLUX_TEST_FOLDER;
const onDisk = () => fs.readFileSync(path.join(folder, FILE), "utf8");
const has = (...parts) => (text) => parts.every((part) => text.includes(part));

drive(async (window) => {
  const { page } = window;
  const seen = () => window.lines(FILE);
  const chat = async () => (await window.lines(encodeURI(CHAT))).replaceAll("\n", "");
  const panel = page.locator(".bulk-edit-panel").first();
  const saved = onDisk();

  /** Tick rows of the preview by what they say. */
  async function tick(...texts) {
    for (const text of texts) {
      await panel.locator(".monaco-list-row", { hasText: text }).first().locator(".edit-checkbox").first().click();
    }
  }

  await window.open(FILE);
  await window.focus(FILE);
  await window.until("the file is open", seen, has("line_2 = 2"));

  // 1. A proposal: VS Code's own preview.
  await window.run("Flux: Ask…");
  await window.answer("Change it.");
  await window.until("the chat shows the proposal", chat, has("rename to there.py", "6 to review: a.py"));
  await window.until("it is told with buttons", () => window.messages(), has("Flux proposes 6 changes in 4 files."));
  const isSaved = (line) => saved.split("\n").includes(line);
  await window.check("nothing is made", await seen(), (text) => has("line_2 = 2\n")(text) && text.split("\n").every(isSaved));
  await tick("line_2 = 20", "gone.py", "there.py", "new.py");
  await window.shoot("preview");
  await panel.getByText("Apply", { exact: true }).click();
  await window.until("what was ticked is in the buffer", seen, has("line_2 = 20", "line_8 = 8\n", "line_15 = 15\n"));
  const files = () => fs.readdirSync(folder).sort().join(" ");
  await window.until("a file is made, one removed, one moved", files, (names) => names === "a.py new.py there.py");
  await window.check("the file on disk is as it was", onDisk(), (text) => text === saved);
  await window.shoot("applied");

  // 2. Another one: the preview is closed without a yes, and all waits where it stands.
  await window.run("Flux: Ask…");
  await window.answer("And this.");
  await window.until("it proposes again", chat, has("line_18 = 180", "2 to review: a.py"));
  await panel.getByText("Discard", { exact: true }).click();
  await window.open(FILE);
  await window.focus(FILE);
  const lens = (text) => page.locator(".codelens-decoration a", { hasText: text });
  await window.until("lenses stand above what waits", () => lens("Flux: accept +1 -1").count(), (count) => count === 2);
  await window.run("Flux: Review Proposed Changes…");
  const listed = async () => (await page.locator(".quick-input-list .monaco-list-row").allInnerTexts()).join(" ");
  await window.until("the list has all that waits", listed, has("All 2 changes", "All of a.py", "a.py:4", "a.py:18"));
  await window.shoot("list");
  await window.press("Escape");
  await lens("Flux: accept +1 -1").first().click();
  await window.until("a lens accepts", seen, has("line_4 = 40"));
  await window.focus(FILE);
  await window.goTo(18);
  await window.codeAction("Flux: reject this change");
  await window.answer("keep the old one");
  await window.until("the lenses are gone", () => lens("Flux: accept").count(), (count) => count === 0);
  await window.run("Flux: Ask…");
  await window.answer("Well?");
  await window.until("the model was told why", chat, has("I see."));
  await window.run("View: Toggle Panel Visibility");
  await window.until("a panel is open", () => page.locator(".part.panel").isVisible(), Boolean);
  await window.until("the end of the chat is still in sight", chat, has("I see."));
  await window.check("the rest is as it was", await seen(), has("line_2 = 20", "line_4 = 40", "line_18 = 18\n"));
  await window.check("the file on disk is still as it was", onDisk(), (text) => text === saved);
});
