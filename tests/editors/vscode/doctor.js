// The doctor in a real VS Code: by its command, as a document. See tests/editors/test_doctor_in_editors.py.
// Exit status 0: every check passed.

const { drive } = require("./driver.js");

const has = (...parts) => (text) => parts.every((part) => text.includes(part));

drive(async (window) => {
  await window.open("a.py");
  await window.run("Flux: Doctor");
  const open = window.page.locator(".editor-instance .view-lines");
  const text = async () => (await open.allInnerTexts()).join("\n").replaceAll("\u00a0", " ");
  await window.until("it tells of what works", text, has("provider scripted", "machine", "editor", "it takes edits"));
  await window.until("and of what does not", text, has("✗  address", "nothing listens there", "→", "Start the server"));
  window.check("and of nothing else", await text(), has("1 problem in"));
  await window.shoot("doctor");
});
