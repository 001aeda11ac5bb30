/** Stored sessions: gone on with, searched, renamed, exported and deleted. What is kept of them is the server's matter. */

import * as vscode from "vscode";
import type { Chat } from "./chat";
import type { Forked, Resumed, Session } from "./protocol";

type Ask = <T>(command: string, argument?: object) => Promise<T | undefined>;

interface Item extends vscode.QuickPickItem {
  session: string;
  title: string;
}

const FORMATS = { Markdown: "markdown", JSON: "json" } as const;

export class Sessions {
  constructor(
    private readonly ask: Ask,
    private readonly chat: Chat,
  ) {}

  /** Go on with a session that is chosen from all of them. */
  async resume(): Promise<void> {
    const chosen = await this.choose("go on with");
    if (chosen) {
      await this.show(chosen.session);
    }
  }

  /** Go on from before a message of the chat that is shown; its words, undefined where none was chosen. */
  async fork(): Promise<string | undefined> {
    const session = this.chat.session;
    const shown = session && (await this.ask<Resumed>("flux.session.resume", { session }));
    const messages = shown ? shown.messages : [];
    // A turn begins with the first of its messages; others were said in its course.
    const asked = messages.filter(({ role, turn }, at) => role === "user" && turn !== messages[at - 1]?.turn);
    const items = asked.map(({ text, turn }) => ({ label: text.replace(/\s+/g, " "), text, turn }));
    const chosen = await vscode.window.showQuickPick(items, { title: "Flux: go on from before" });
    const forked = chosen && (await this.ask<Forked>("flux.session.fork", { session, message: chosen.turn }));
    if (!forked) {
      return undefined;
    }
    this.chat.resume(forked);
    await this.chat.show();
    if (forked.turns.length > 0) {
      const answers = ["Keep the files", "Take their changes back"];
      const answer = await vscode.window.showInformationMessage(`Flux: ${forked.notice}`, ...answers);
      for (const turn of answer === answers[1] ? forked.turns : []) {
        await this.ask("flux.turn.undo", { turn });
      }
    }
    return chosen?.text;
  }

  /** Find sessions by what was said in them, and go on with one. */
  async search(): Promise<void> {
    const words = await vscode.window.showInputBox({ title: "Flux: words that were said", ignoreFocusOut: true });
    const result = words?.trim() && (await this.ask<{ found: Session[] }>("flux.session.search", { words }));
    if (!result) {
      return;
    }
    if (result.found.length === 0) {
      void vscode.window.showInformationMessage(`Flux: nobody said ${words}`);
      return;
    }
    const items = result.found.map(item);
    const chosen = await vscode.window.showQuickPick(items, { title: "Flux: go on with", matchOnDetail: true });
    if (chosen) {
      await this.show(chosen.session);
    }
  }

  async rename(): Promise<void> {
    const chosen = await this.choose("rename");
    const title = chosen && (await vscode.window.showInputBox({ title: "Flux: its new title", value: chosen.title }));
    if (title?.trim()) {
      await this.ask("flux.session.rename", { session: chosen?.session, title });
    }
  }

  /** The whole session as a document of its own, not saved. */
  async export(): Promise<void> {
    const chosen = await this.choose("export");
    const format = chosen && (await vscode.window.showQuickPick(Object.keys(FORMATS), { title: "Flux: export as" }));
    if (!chosen || !format) {
      return;
    }
    const language = FORMATS[format as keyof typeof FORMATS];
    const argument = { session: chosen.session, format: language };
    const result = await this.ask<{ text: string }>("flux.session.export", argument);
    if (result) {
      const document = await vscode.workspace.openTextDocument({ content: result.text, language });
      await vscode.window.showTextDocument(document);
    }
  }

  async delete(): Promise<void> {
    const chosen = await this.choose("delete");
    if (!chosen) {
      return;
    }
    const question = `Flux: delete “${chosen.title}” and all that was said in it?`;
    const answer = await vscode.window.showWarningMessage(question, { modal: true }, "Delete");
    const done = answer === "Delete" && (await this.ask("flux.session.delete", { session: chosen.session }));
    if (done && chosen.session === this.chat.session) {
      this.chat.clear();
    }
  }

  private async choose(what: string): Promise<Item | undefined> {
    const list = await this.ask<{ sessions: Session[] }>("flux.chat.list");
    const items = list?.sessions.map(item);
    return items && vscode.window.showQuickPick(items, { title: `Flux: ${what}`, matchOnDescription: true });
  }

  private async show(session: string): Promise<void> {
    const resumed = await this.ask<Resumed>("flux.session.resume", { session });
    if (resumed) {
      this.chat.resume(resumed);
      await this.chat.show();
    }
  }
}

function item({ session, title, folder, usedAt, excerpt }: Session): Item {
  const description = `${new Date(usedAt * 1000).toLocaleString()} · ${folder}`;
  return { session, title, label: title, description, ...(excerpt ? { detail: excerpt } : {}) };
}
