// The picture of the README: a method that is not saved, a rename by chat around it, and its diff beside it.

const { drive } = require("./driver.js");

const FILE = "parser.py";
const METHOD = "\n    def go_back(self) -> None:\n        self.position.set(self.mark)\n";

drive(
  async (window) => {
    const seen = () => window.lines(FILE);
    await window.open(FILE);
    await window.press("Control+b");
    await window.focus(FILE);
    await window.goTo(79);
    await window.page.keyboard.insertText(METHOD);
    await window.until("a method is typed", seen, (text) => text.includes("def go_back"));
    await window.run("Flux: Ask…");
    await window.answer("rename set_mark to remember");
    await window.until("the edit is in the buffer", seen, (text) => text.includes("def remember"));
    const chat = () => window.lines(encodeURI("Flux chat.md"));
    await window.until("the chat shows its end", chat, (text) => text.includes("unsaved: parser.py"));
    await window.until("progress is gone", () => window.messages(), (text) => text === "");
    await window.goTo(110);
    await window.goTo(82);
    await window.page.waitForTimeout(500); // what fades is gone then
    await window.shoot("flux");
  },
  { width: 1280, height: 850 },
);
