// A cell of an open notebook is edited, and nothing is saved. See tests/editors/test_vscode_notebook.py.
// Exit status 0: every check passed.

const fs = require("node:fs");
const path = require("node:path");
const { drive } = require("./driver.js");

const FILE = "nb.ipynb";
const onDisk = () => fs.readFileSync(path.join(process.env.FLUX_TEST_FOLDER, FILE), "utf8");

drive(async (window) => {
  const saved = onDisk();
  const seen = async () => (await window.page.locator(".notebookOverlay .view-line").allInnerTexts()).join("\n").replaceAll("\u00a0", " ");
  await window.page.locator(".explorer-folders-view .monaco-list-row", { hasText: FILE }).first().dblclick();
  await window.until("the cell is shown", seen, (text) => text.includes("x = 1111"));
  await window.page.locator(".notebookOverlay .view-line").first().click();
  await window.run("Flux: Edit Selection…");
  await window.answer("Change it.");
  await window.until("the cell is changed", seen, (text) => text.includes(process.env.FLUX_TEST_EXPECTED));
  await window.check("the file on disk is as it was", onDisk(), (text) => text === saved);
  await window.check("nothing of the settings is complained of", await window.messages(), (text) => !text.includes("no setting of Flux"));
});
