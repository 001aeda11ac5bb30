// Files that Flux changed are removed in the explorer of a real VS Code while a turn waits for its user, or beside VS
// Code, which tells nobody of that then. See tests/editors/test_vscode_files.py. Exit status 0: every check passed.

const fs = require("node:fs");
const path = require("node:path");
const { drive } = require("./driver.js");

const at = (name) => path.join(process.env.FLUX_TEST_FOLDER, name);
const saved = fs.readFileSync(at("b.py"), "utf8");
const beside = process.env.FLUX_TEST_BESIDE === "1";

drive(async (window) => {
  const { page } = window;
  const row = (name) => page.locator(".explorer-folders-view .monaco-list-row", { hasText: name });
  const press = async (name) => {
    const button = page.locator(".notification-list-item .monaco-button", { hasText: name });
    if ((await button.count()) === 0) {
      await window.run("Notifications: Show Notifications"); // VS Code puts a question away after 15 seconds
    }
    await button.first().click();
  };
  const waiting = page.locator(".statusbar-item", { hasText: "waiting for your answer" });
  const there = () => ["a.py", "old"].filter((name) => fs.existsSync(at(name)));
  const ask = async (text) => {
    await window.run("Flux: Ask…");
    await window.answer(text);
    await window.until("it is asked", () => waiting.count(), (count) => count > 0);
  };
  const remove = async (name) => {
    if (beside) {
      fs.rmSync(at(name), { recursive: true });
    } else {
      await row(name).click();
      await window.press("Delete");
      await page.locator(".monaco-dialog-box .monaco-button", { hasText: "Delete" }).first().click();
    }
    await window.until(`${name} is gone`, () => row(name).count(), (count) => count === 0);
  };
  const spinning = () => page.locator(".statusbar-item[id$='flux'] .codicon-loading").count();
  const turnEnds = () => window.until("the turn ends", spinning, (count) => count === 0);

  await window.open("b.py");
  await window.open("a.py");
  await ask("the first");
  await press("Apply");
  const first = await window.until("the first change is made", () => window.lines("a.py"), (text) => text !== saved);
  await turnEnds();
  await window.run("File: Save All");
  await window.until("it is saved", () => fs.readFileSync(at("old/x.py"), "utf8"), (text) => text === first);
  await ask("the second");
  await remove("a.py");
  await remove("old");
  await window.shoot("removed");
  await press("Apply");
  await window.go("b.py");
  await window.until("the second change is made", () => window.lines("b.py"), (text) => text !== saved && text !== first);
  await turnEnds();
  await window.shoot("after");
  await window.check("what was removed does not come up again", there(), (names) => names.length === 0);
  await window.run("Flux: Undo Last Turn");
  await window.until("the second change is taken back", () => window.lines("b.py"), (text) => text === first);
  await window.run("Flux: Undo Last Turn");
  await window.until("what is gone is named", () => window.messages(), (text) => text.includes("a.py") && text.includes("old/x.py"));
  await window.shoot("undo");
  await press("Do the rest");
  await window.until("the rest of the first change is taken back", () => window.lines("b.py"), (text) => text === saved);
  await window.check("an undo does not bring it up either", there(), (names) => names.length === 0);
});
