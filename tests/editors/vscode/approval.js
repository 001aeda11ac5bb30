// A change is asked for: its user looks at it, says no, and yes the next time. See tests/editors/test_vscode_approval.py.
// Exit status 0: every check passed.

const { drive } = require("./driver.js");

drive(async (window) => {
  const seen = () => window.lines("a.py");
  const press = (name) => window.page.locator(".notification-toast .monaco-button", { hasText: name }).first().click();
  const go = async () => {
    await window.focus("a.py");
    await window.run("Flux: Edit Selection…");
    await window.answer("Change it.");
    await window.until("the question is shown", () => window.messages(), (text) => text.includes("Flux: edit a.py"));
  };
  await window.open("a.py");
  await go();
  await press("Show Changes");
  await window.until("the changes are shown", () => window.page.locator(".view-line").allInnerTexts(), (lines) => lines.join("\n").includes("+two"));
  await window.until("it is asked again", () => window.messages(), (text) => text.includes("Flux: edit a.py"));
  await window.shoot("approval");
  await press("Do Not");
  await window.until("the question is gone", () => window.messages(), (text) => !text.includes("change a.py?"));
  await window.go("a.py");
  await window.check("nothing is changed", await seen(), (text) => text.startsWith("one"));
  await go();
  await press("Apply");
  await window.until("the change is made", seen, (text) => text.startsWith(process.env.FLUX_TEST_EXPECTED));
});
