// A file is written beside a real VS Code, which tells Flux of it where it is to be watched: what is wrong in it is named
// without a step of the user's. See tests/editors/test_vscode_files.py. Exit status 0: every check passed.

const fs = require("node:fs");
const { drive } = require("./driver.js");

drive(async (window) => {
  await window.open("a.py");
  await window.check("nothing is said yet", await window.messages(), (text) => !text.includes("no_such"));
  fs.writeFileSync(process.env.FLUX_TEST_WRITTEN, "no_such = 1\n");
  await window.until("what is wrong in it is named", () => window.messages(), (text) => text.includes("no_such"));
});
