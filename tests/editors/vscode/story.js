// The main job in a real VS Code: an edit of Flux lands in an editor with unsaved text, as one undo step; the chat streams.
// The answers are scripted: see tests/editors/test_vscode.py. Exit status 0: every check passed.

const fs = require("node:fs");
const path = require("node:path");
const { drive } = require("./driver.js");

const FILE = "parser.py";
const CHAT = "Flux chat.md";
const onDisk = () => fs.readFileSync(path.join(process.env.FLUX_TEST_FOLDER, FILE), "utf8");
const has = (...parts) => (text) => parts.every((part) => text.includes(part));

drive(async (window) => {
  const seen = () => window.lines(FILE);
  const chat = async () => (await window.lines(encodeURI(CHAT))).replaceAll("\n", ""); // it is wrapped
  const saved = onDisk();

  await window.open(FILE);
  await window.focus(FILE);
  await window.press("Control+Home");
  await window.type("# a note 😋 that is not saved\n");
  const before = await window.until("a line is typed", seen, has("# a note 😋 that is not saved\nimport codecs"));

  // 1. A code action from the menu.
  await window.goTo(15);
  await window.codeAction("Flux: document");
  await window.until("a code action edits the buffer", seen, has(process.env.FLUX_TEST_EXPECTED));
  await window.check("the note is kept", await seen(), has("# a note 😋 that is not saved\nimport codecs"));
  await window.check("the file on disk is as it was", onDisk(), (text) => text === saved);
  // An edit is there before its turn ends: problems that come up with it are waited for.
  const spinning = () => window.page.locator(".statusbar-item[id$='flux'] .codicon-loading").count();
  await window.until("the status bar has the model", () => window.statusText(), has("scripted"));
  await window.until("its turn ends", spinning, (count) => count === 0);
  await window.focus(FILE);
  await window.press("Control+z");
  await window.until("one undo takes the edit back", seen, (text) => text === before);

  // 2. The chat: it streams beside the file, and its edit lands in the buffer.
  await window.run("Flux: Ask…");
  await window.answer("Give the regex a better name.");
  await window.until("the answer streams", chat, (text) => has("I will rename it.")(text) && !has("slowly.")(text));
  const question = "## YouGive the regex a better name.*about parser.py*## scriptedI will rename it.";
  await window.check("below the question", await chat(), has(question));
  await window.until("the turn ends, and the chat says so", chat, has("*done · unsaved: parser.py"));
  await window.check("and its thoughts", await chat(), has("> *Thoughts*", "> It reads better now."));
  await window.check("and the change", await chat(), has("~~~~diff", '+_line_end = make_regex(r"(\\r\\n|\\n|\\r)")'));
  await window.until("the edit is in the buffer", seen, has("_line_end = make_regex("));
  await window.check("the file on disk is as it was", onDisk(), (text) => text === saved);
  await window.shoot("chat");
  await window.run("Flux: Undo Last Turn");
  await window.until("a turn is taken back", seen, (text) => text === before);

  // 3. An edit of what is selected.
  await window.focus(FILE);
  await window.goTo(15);
  await window.press("Shift+End");
  await window.run("Flux: Edit Selection…");
  await window.answer("Name it better.");
  await window.until("the selection is edited", seen, has("def compiled(string: str"));
  await window.until("its turn ends", spinning, (count) => count === 0);

  // 4. A long answer, cancelled.
  await window.run("Flux: Ask…");
  await window.answer("Talk.");
  await window.until("it talks", chat, has("word word"));
  await window.run("Flux: Cancel");
  await window.until("it is cancelled", chat, has("*cancelled"));

  // 5. The rest: usage, models, a key, a new chat.
  await window.run("Flux: Show Usage");
  await window.until("the usage is shown", () => window.messages(), has("tokens in"));
  await window.run("Flux: Choose Model…");
  await window.answer("scripted");
  await window.run("Flux: Set Key…");
  await window.answer("Anthropic");
  await window.until("a key is asked for", () => window.page.locator(".quick-input-widget input[type=password]").count(), (n) => n > 0);
  await window.answer("sk-ant-not-a-key");
  await window.run("Flux: New Chat");
  await window.until("a new chat is empty", chat, (text) => text.trim() === "");
  await window.run("Flux: Restart Server");
  await window.until("a new server has used nothing", () => window.statusText(), (text) => !text.includes("$"));
  await window.run("Flux: Show Usage");
  await window.until("a new server answers", () => window.messages(), has("0 tokens in, 0 out"));
  await window.check("nothing went wrong", await window.messages(), (text) => !/error|failed|not /i.test(text));

  // 6. Saved by the user, and only then on the disk.
  await window.check("the file on disk is still as it was", onDisk(), (text) => text === saved);
  await window.focus(FILE);
  await window.press("Control+s");
  const wanted = `# a note 😋 that is not saved\n${saved.replace("def make_regex(", "def compiled(")}`;
  await window.until("the saved file is what was seen", onDisk, (text) => text === wanted);
});
