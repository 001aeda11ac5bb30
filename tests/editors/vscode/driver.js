// A VS Code in a browser, driven as a person would: keys, menus, and what is seen. Used by story.js and picture.js.
//
// Environment: FLUX_TEST_URL (code-server), FLUX_TEST_FOLDER (the workspace), FLUX_TEST_CHROMIUM, FLUX_TEST_SHOTS
// (a folder for screenshots), FLUX_TEST_BOUND_MS (for one step).

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { chromium } = require("playwright-core");

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const START_MS = 90_000;
const BOUND_MS = Number(process.env.FLUX_TEST_BOUND_MS || 15_000);

/** Open the workspace in a window, run the steps, leave nothing behind; the exit status says how it went. */
async function drive(steps, viewport = { width: 1280, height: 800 }) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), "flux-chromium-"));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.FLUX_TEST_CHROMIUM,
    headless: true,
    args: FLAGS,
    viewport,
  });
  const page = browser.pages()[0] ?? (await browser.newPage());
  const window_ = new Window(page);
  try {
    await page.goto(`${process.env.FLUX_TEST_URL}/?folder=${encodeURIComponent(process.env.FLUX_TEST_FOLDER)}`);
    await page.locator(".monaco-workbench").waitFor({ timeout: START_MS });
    await window_.until("the extension is active", () => window_.statusText(), (text) => text !== "", START_MS);
    await steps(window_);
  } catch (error) {
    await window_.shoot("failure").catch(() => {});
    console.error(String(error.message ?? error));
    process.exitCode = 1;
  } finally {
    await browser.close();
    fs.rmSync(profile, { recursive: true, force: true });
  }
}

class Window {
  constructor(page) {
    this.page = page;
  }

  /** Wait until what `read` gives `passes`; it is named on standard error, with what was read last if it never does. */
  async until(what, read, passes, boundMs = BOUND_MS) {
    const end = Date.now() + boundMs;
    for (;;) {
      const value = await read();
      if (passes(value)) {
        console.error(`ok   ${what}`);
        return value;
      }
      if (Date.now() > end) {
        throw new Error(`FAIL ${what}; it is: ${typeof value === "string" ? value : JSON.stringify(value)}`);
      }
      await this.page.waitForTimeout(30);
    }
  }

  check(what, value, passes) {
    return this.until(what, () => value, passes, 0);
  }

  /** The lines that are seen of an open file. Monaco puts non-breaking spaces into the page. */
  async lines(file) {
    const raw = await this.editor(file)
      .locator(".view-lines .view-line")
      .evaluateAll((elements) =>
        elements
          .map((element) => [Number.parseFloat(element.style.top), element.textContent])
          .sort(([a], [b]) => a - b)
          .map(([, text]) => text),
      );
    return raw.map((text) => text.replaceAll("\u00a0", " ")).join("\n");
  }

  editor(file) {
    return this.page.locator(`.editor-instance[data-uri$="${file}"], .monaco-editor[data-uri$="${file}"]`).first();
  }

  async open(file) {
    await this.page.locator(".explorer-folders-view .monaco-list-row", { hasText: file }).first().dblclick();
    await this.editor(file).locator(".view-line").first().waitFor();
  }

  /** Open a file by its path in the workspace, with the keys in it. */
  async go(file) {
    if ((await this.editor(file).count()) === 0) {
      await this.press("Control+p");
      await this.fill(file);
      const row = this.page.locator(".quick-input-list .monaco-list-row", { hasText: path.basename(file) });
      await row.filter({ hasText: path.dirname(file) }).first().click({ timeout: BOUND_MS });
    }
    await this.editor(file).locator(".view-line").first().waitFor({ timeout: BOUND_MS });
  }

  async focus(file) {
    await this.editor(file).locator(".view-line").first().click();
  }

  press(keys) {
    return this.page.keyboard.press(keys);
  }

  type(text) {
    return this.page.keyboard.type(text);
  }

  async goTo(line) {
    await this.press("Control+g");
    await this.answer(`:${line}`);
  }

  /** Run a command by its title in the command palette. */
  async run(title) {
    await this.press("F1");
    await this.fill(`>${title}`);
    await this.page.locator(".quick-input-list .monaco-list-row", { hasText: title }).first().waitFor();
    await this.press("Enter");
  }

  /** Answer an input box, or choose from a list by what is typed. */
  async answer(text) {
    await this.fill(text);
    await this.press("Enter");
  }

  async fill(text) {
    const box = this.page.locator(".quick-input-widget:visible input").first();
    await box.waitFor({ timeout: BOUND_MS });
    await box.fill(text);
  }

  /** Choose from the menu of code actions by title, never by place: other extensions stand there too. */
  async codeAction(title) {
    const item = this.page.locator(".action-widget .monaco-list-row", { hasText: title }).first();
    await this.until(
      `the menu of code actions has “${title}”`,
      async () => {
        await this.press("Control+.");
        await item.waitFor({ timeout: 2_000 }).catch(() => this.press("Escape"));
        return item.count();
      },
      (count) => count > 0,
    );
    await this.shoot("menu");
    await item.click();
  }

  async statusText() {
    return (await this.page.locator(".statusbar-item[id$='flux']").allInnerTexts()).join(" ");
  }

  async messages() {
    return (await this.page.locator(".notification-toast").allInnerTexts()).join("\n");
  }

  async shoot(name, options = {}) {
    if (process.env.FLUX_TEST_SHOTS) {
      await this.page.screenshot({ path: path.join(process.env.FLUX_TEST_SHOTS, `${name}.png`), ...options });
    }
  }
}

module.exports = { drive };
