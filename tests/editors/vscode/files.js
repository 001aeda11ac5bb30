// A file that Flux changed is saved and given another name in the explorer of a real VS Code, or beside VS Code, which
// tells nobody of that then. See tests/editors/test_vscode_files.py. Exit status 0: every check passed.

const fs = require("node:fs");
const path = require("node:path");
const { drive } = require("./driver.js");

const at = (name) => path.join(process.env.FLUX_TEST_FOLDER, name);
const saved = fs.readFileSync(at("a.py"), "utf8");
const beside = process.env.FLUX_TEST_BESIDE === "1";

drive(async (window) => {
  const { page } = window;
  const row = (name) => page.locator(".explorer-folders-view .monaco-list-row", { hasText: name });
  const ask = async (text) => {
    await window.run("Flux: Ask…");
    await window.answer(text);
  };

  await window.open("a.py");
  await window.focus("a.py");
  await ask("the first");
  const made = await window.until("the change is made", () => window.lines("a.py"), (text) => text !== saved);
  await window.focus("a.py");
  await window.press("Control+s");
  await window.until("it is saved", () => fs.readFileSync(at("a.py"), "utf8"), (text) => text === made);
  if (beside) {
    fs.renameSync(at("a.py"), at("b.py"));
  } else {
    await row("a.py").click();
    await window.press("F2");
    const box = page.locator(".explorer-item-edited input");
    await box.waitFor();
    await box.fill("b.py");
    await window.press("Enter");
  }
  await window.until("it is b.py", () => row("b.py").count(), (count) => count > 0);
  await window.open("b.py");
  await window.until("its text is there", () => window.lines("b.py"), (text) => text === made);
  await window.run("Flux: Undo Last Turn");
  await window.until("what was done to it is taken back in b.py", () => window.lines("b.py"), (text) => text === saved);
  await window.check("nothing is saved by that", fs.readFileSync(at("b.py"), "utf8"), (text) => text === made);
  await window.shoot("files");
});
