// A VS Code that is steered from outside: a line of JSON {do, with} on standard input is a method of Window and its
// arguments; the answer is a line {value} or {error} on standard output. Used by tests/support/real_editors/vscode.py.

const readline = require("node:readline");
const { drive } = require("./driver.js");

drive(async (window) => {
  const answer = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
  answer({ value: "ready" });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { do: method, with: values } = JSON.parse(line);
    try {
      answer({ value: (await window[method](...values)) ?? null });
    } catch (error) {
      await window.shoot("failure");
      answer({ error: String(error.message ?? error) });
    }
  }
});
