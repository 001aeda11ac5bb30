// Stored sessions in a real VS Code: resumed, searched, renamed, exported, deleted; and undo, redo and checkpoints.
// The answers are scripted: see tests/editors/test_vscode_sessions.py. Exit status 0: every check passed.

const { drive } = require("./driver.js");

const FILE = "a.py";
const CHAT = "Flux chat.md";
const has = (...parts) => (text) => parts.every((part) => text.includes(part));

drive(async (window) => {
  const { page } = window;
  const seen = () => window.lines(FILE);
  const chat = async () => (await window.lines(encodeURI(CHAT))).replaceAll("\n", ""); // it is wrapped
  const rows = page.locator(".quick-input-list .monaco-list-row");
  const list = async () => (await rows.allInnerTexts()).join(" ");

  await window.open(FILE);
  await window.focus(FILE);
  const before = await window.until("the file is open", seen, has("cat = 1", "dog = 2"));

  // 1. Two chats, the first with an edit.
  await window.run("Flux: Ask…");
  await window.answer("Where is the ocelot?");
  await window.until("a first chat has its answer", chat, has("I put it there.", "*done"));
  const after = await window.until("its edit is in the buffer", seen, has("ocelot = 1"));
  await window.run("Flux: New Chat");
  await window.until("a new chat is empty", chat, (text) => text.trim() === "");
  await window.run("Flux: Ask…");
  await window.answer("And the second?");
  await window.until("a second chat has its answer", chat, has("Nothing about cats.", "*done"));

  // 2. Found by a word that was said, and gone on with.
  await window.run("Flux: Search Sessions…");
  await window.answer("OCELOT");
  await window.until("what was found is listed", list, (text) => has("Where is the ocelot?")(text) && !has("second")(text));
  await window.answer("Where is the ocelot?");
  await window.until("it is shown", chat, has("## YouWhere is the ocelot?## FluxI put it there."));
  await window.run("Flux: Ask…");
  await window.answer("Do you know me?");
  await window.until("the conversation goes on", chat, has("I do.", "*done"));

  // 3. Renamed, resumed by its title, exported.
  await window.run("Flux: Rename Session…");
  await window.until("all are listed", list, has("Where is the ocelot?", "And the second?"));
  await window.answer("And the second?");
  await window.until("its title is there to be changed", () => page.locator(".quick-input-widget input").first().inputValue(), (text) => text === "And the second?");
  await window.answer("Cats and dogs");
  await window.run("Flux: Resume Session…");
  await window.until("it has its new title", list, has("Cats and dogs"));
  await window.answer("Cats and dogs");
  await window.until("it is shown again", chat, has("## FluxNothing about cats."));
  await window.run("Flux: Export Session…");
  await window.until("sessions are listed to export", list, has("Cats and dogs"));
  await window.answer("Cats and dogs");
  await window.until("formats are listed", list, has("Markdown", "JSON"));
  await window.answer("Markdown");
  const open = page.locator(".editor-instance .view-lines");
  await window.until("it is a document", async () => (await open.allInnerTexts()).join(" ").replaceAll("\u00a0", " "), has("# Cats and dogs"));
  await window.shoot("exported");

  // 4. Deleted: only after a yes.
  for (const [answer, left] of [["Cancel", true], ["Delete", false]]) {
    await window.run("Flux: Delete Session…");
    await window.until("sessions are listed to delete", list, has("Cats and dogs"));
    await window.answer("Cats and dogs");
    const dialog = page.locator(".monaco-dialog-box");
    await window.until("it is asked before", async () => (await dialog.allInnerTexts()).join(" "), has("Cats and dogs"));
    await dialog.locator(".monaco-button", { hasText: answer }).first().click();
    await dialog.waitFor({ state: "detached" });
    await window.run("Flux: Resume Session…");
    await window.until(`after ${answer} it is ${left ? "there" : "gone"}`, list, (text) => has("ocelot")(text) && has("Cats and dogs")(text) === left);
    await window.press("Escape");
  }

  // 5. Back and forth in what the first chat changed.
  await window.go(FILE);
  const steps = [
    ["Flux: Undo Last Turn", "taken back: a.py", before],
    ["Flux: Redo What Was Taken Back", "made again: a.py", after],
  ];
  const bar = async () => (await page.locator(".statusbar-item").allInnerTexts()).join(" ");
  for (const [command, told, text] of steps) {
    await window.run(command);
    await window.until(`${command}: the text`, seen, (now) => now === text);
    await window.until(`${command}: it is told`, bar, has(told));
  }
  await window.run("Flux: Set Checkpoint…");
  await window.answer("with the ocelot");
  await window.until("the point has a name", bar, has("this point is with the ocelot"));
  await window.run("Flux: Return to Checkpoint…");
  await window.until("points are listed", list, has("before: Where is the ocelot?", "with the ocelot"));
  await window.answer("before: Where is the ocelot?");
  await window.until("back to before the turn", seen, (now) => now === before);
  await window.until("it is told", bar, has("returned: a.py"));
  await window.run("Flux: Return to Checkpoint…");
  await window.until("points are listed again", list, has("before: Where is the ocelot?"));
  await window.answer("with the ocelot");
  await window.until("and to the point with the name", seen, (now) => now === after);
});
