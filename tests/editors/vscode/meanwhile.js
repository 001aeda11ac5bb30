// A chat in a real VS Code while a turn runs: queued, steered, taken back; gone on with from before; its context. A commit
// message in the box of the Source Control view. A chat in a document that was never saved. Every change is asked for, so
// a turn runs as long as the story needs. See tests/editors/test_vscode_meanwhile.py. Exit status 0: every check passed.

const fs = require("node:fs");
const path = require("node:path");
const { drive } = require("./driver.js");

const FILE = "a.py";
const { said, message } = JSON.parse(process.env.FLUX_TEST_EXPECTED);
const onDisk = () => fs.readFileSync(path.join(process.env.FLUX_TEST_FOLDER, FILE), "utf8");
const has = (...parts) => (text) => parts.every((part) => text.includes(part));

drive(async (window) => {
  const { page } = window;
  const saved = onDisk();
  const seen = () => window.lines(FILE);
  const chat = async () => (await window.lines(encodeURI("Flux chat.md"))).replaceAll("\n", ""); // it is wrapped
  const bar = async () => (await page.locator(".statusbar-item").allInnerTexts()).join(" ");
  const list = async () => (await page.locator(".quick-input-list .monaco-list-row").allInnerTexts()).join(" ");
  const answer = async (name) => {
    const toast = page.locator(".notification-toast", { hasText: name });
    await window.until(`“${name}” can be answered`, () => toast.count(), (count) => count > 0);
    await toast.locator(".monaco-button", { hasText: name }).first().click();
  };
  const say = async (command, text) => {
    await window.run(command);
    await window.answer(text);
  };

  // 1. What is said while the first turn waits for a yes.
  await window.open(FILE);
  await window.focus(FILE);
  await say("Flux: Ask…", "the first");
  await window.until("the first turn runs", () => window.messages(), has("Flux: edit a.py"));
  await say("Flux: Ask…", "and then");
  await window.until("a message waits", chat, has("- queued: and then"));
  await say("Flux: Ask…", "and not this");
  await window.until("another one waits", chat, has("- queued: and not this"));
  await window.run("Flux: Take Back the Message That Waits");
  await window.until("it is taken back", bar, has("taken back: and not this"));
  await say("Flux: Steer This Turn…", "mind the gap");
  await window.until("something is said to the turn", chat, has("- steering: mind the gap"));
  await window.shoot("meanwhile");
  await answer("Apply");
  const made = await window.until("the first change is made", seen, (text) => text !== saved);
  await window.check("it is in its place", made, (text) => text === "ocelot = 1\ndog = 2\n");
  await window.until("the turn has taken it along", chat, has("- steered: mind the gap", "I mind it."));
  await window.until("the message that waited has its turn", chat, has("## Youand then## scripted"));
  await answer("Apply");
  await window.until("it is answered", chat, has("Second.*done"));
  await window.until("its change is made", seen, (text) => text === "ocelot = 1\nwolf = 2\n");

  // 2. Its context.
  await window.run("Flux: Preview Context");
  await window.until("the next request is shown", () => window.lines("Untitled-1"), has("a.py"));
  await page.locator(".tab", { hasText: FILE }).first().click();
  await window.run("Flux: Pin This File");
  await window.until("the file is pinned", bar, has("pinned: a.py"));
  await window.run("Flux: Unpin This File");
  await window.until("it is pinned no more", bar, has("nothing is pinned"));
  await window.run("Flux: Summarize Earlier Turns");
  await window.until("the earlier turns are summarized", bar, has("a summary stands for the earlier turns"));

  // 3. From before the second message, which is said otherwise; what came of it is taken back.
  await window.run("Flux: Go On from an Earlier Message…");
  await window.until("the messages are offered", list, has("the first", "and then"));
  await window.answer("and then");
  await window.until("it is told where it goes on", () => window.messages(), has("goes on from before message 2"));
  await window.shoot("fork");
  await answer("Take their changes back");
  await window.until("the file is as it was there", seen, (text) => text === "ocelot = 1\ndog = 2\n");
  await window.until("its words are there to be changed", () => page.locator(".quick-input-widget input").first().inputValue(), has("and then"));
  await window.answer("and then, said otherwise");
  await window.until("it is answered", chat, has("and then, said otherwise", "Third.*done"));
  await window.check("what came after it is gone", await chat(), (text) => !text.includes("Second."));

  // 4. A commit message.
  await window.focus(FILE);
  await window.run("Source Action...");
  await page.locator(".action-widget .monaco-list-row", { hasText: "Flux: write a commit message" }).first().click();
  const box = page.locator(".scm-editor .view-line");
  const written = async () => (await box.allInnerTexts()).join("\n").replaceAll("\u00a0", " ");
  await window.until("it is in the box of the Source Control view", written, (text) => text === message);
  await window.shoot("commit");

  // 5. A chat in a document that was never saved; more is typed while the answer comes.
  await window.press("Control+Alt+n");
  const talk = () => window.lines("Untitled-2");
  await window.until("there is a document", talk, (text) => text === "");
  await window.codeAction("Flux: chat in this document");
  await window.until("it is a chat", talk, has("Flux chat"));
  await window.press("Control+End");
  await window.type("Hello 😋");
  await window.until("a message is written", talk, has("Hello 😋"));
  await window.codeAction("Flux: send this message");
  await window.until("the answer streams", talk, has("Words and more."));
  await window.press("Control+End");
  await window.type("And now?");
  const all = await window.until("the answer is whole", talk, has("*done"));
  const plain = (text) => text.replace(/<!--.*-->/g, "").replace(/\*done.*\*/, "*done*").split(/\s+/).join(" ").trim();
  const whole = (text) => plain(text).endsWith(` ## You Hello 😋 ## Flux ${said} *done* ## You And now?`);
  await window.check("all that was typed is there, and all that was said", all, whole);
  await window.check("where a keystroke is lost, that is seen", all.replace("now", "nw"), (text) => !whole(text));
  await window.shoot("talk");
  await window.check("the file on disk is as it was", onDisk(), (text) => text === saved);
});
