/** Proposed changes: told of as they come, listed, and decided on by hunk, by file, by turn or all at once. */

import * as vscode from "vscode";
import type { Accepted, PendingHunk, ProposedHunk, Rejected } from "./protocol";

export const ACCEPT = "flux.review.accept";
export const REJECT = "flux.review.reject";

/** What is decided on: all that waits where nothing is named. */
type Chosen = { hunk?: string; file?: string; turn?: string };
type Ask = <T>(command: string, argument?: object) => Promise<T | undefined>;
type Item = vscode.QuickPickItem & { chosen?: Chosen; hunk?: PendingHunk };

const TAKE: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon("check"), tooltip: "Accept" };
const LEAVE: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon("close"), tooltip: "Reject…" };

export class Review {
  constructor(private readonly ask: Ask) {}

  /** Say that a turn proposes something, with the ways to decide. */
  async offer(turn: string, hunks: ProposedHunk[]): Promise<void> {
    const files = new Set(hunks.map(({ path }) => path));
    const what = `${count(hunks.length, "change")} in ${files.size === 1 ? [...files][0] : `${files.size} files`}`;
    const [accept, reject, list] = ["Accept All", "Reject All…", "List…"];
    switch (await vscode.window.showInformationMessage(`Flux proposes ${what}.`, accept, reject, list)) {
      case accept:
        return this.accept({ turn });
      case reject:
        return this.reject({ turn });
      case list:
        return this.list();
    }
  }

  /** Make what is chosen; what could not be made is said, and waits on. */
  async accept(chosen: Chosen): Promise<void> {
    const came = await this.ask<Accepted>(ACCEPT, chosen);
    if (came && came.refused.length > 0) {
      const reasons = new Set(came.refused.map(({ reason }) => reason));
      void vscode.window.showWarningMessage(
        `Flux: ${count(came.refused.length, "change")} not made: ${[...reasons].join(" ")}`,
      );
    }
  }

  /** Forget what is chosen, and tell the model why where the user says it; not where they leave the question. */
  async reject(chosen: Chosen): Promise<void> {
    const reason = await vscode.window.showInputBox({
      title: "Flux: Reject",
      prompt: "Why not? The model is told. May be left empty.",
      ignoreFocusOut: true,
    });
    if (reason !== undefined) {
      await this.ask<Rejected>(REJECT, { ...chosen, reason });
    }
  }

  /** All that waits: a choice shows it, its buttons decide. */
  async list(): Promise<void> {
    const hunks = (await this.ask<{ hunks: PendingHunk[] }>("flux.review.list"))?.hunks;
    if (!hunks) {
      return;
    }
    if (hunks.length === 0) {
      void vscode.window.showInformationMessage("Flux: nothing waits for review.");
      return;
    }
    const pick = vscode.window.createQuickPick<Item>();
    pick.title = "Flux: Proposed Changes";
    pick.placeholder = "Enter shows a change; the buttons accept or reject it";
    pick.matchOnDescription = true;
    pick.items = items(hunks);
    pick.onDidTriggerItemButton(({ button, item }) => {
      pick.hide();
      const chosen = item.chosen ?? {};
      void (button === TAKE ? this.accept(chosen) : this.reject(chosen)).then(() => this.listRest());
    });
    pick.onDidAccept(() => {
      const hunk = pick.selectedItems[0]?.hunk;
      if (hunk) {
        pick.hide();
        void show(hunk);
      }
    });
    pick.onDidHide(() => pick.dispose());
    pick.show();
  }

  private async listRest(): Promise<void> {
    const left = (await this.ask<{ hunks: PendingHunk[] }>("flux.review.list"))?.hunks;
    if (left && left.length > 0) {
      await this.list();
    }
  }
}

function items(hunks: PendingHunk[]): Item[] {
  const buttons = [TAKE, LEAVE];
  const listed: Item[] = [{ label: `All ${count(hunks.length, "change")}`, chosen: {}, buttons }];
  for (const [uri, ofFile] of groups(hunks, ({ uri }) => uri)) {
    const name = ofFile[0]?.path ?? uri;
    listed.push({ label: name, kind: vscode.QuickPickItemKind.Separator });
    if (ofFile.length > 1) {
      listed.push({ label: `All of ${name}`, description: count(ofFile.length, "change"), chosen: { file: uri }, buttons });
    }
    for (const hunk of ofFile) {
      const size = `+${hunk.after.length} -${hunk.before.length}`;
      const detail = (hunk.after[0] ?? hunk.before[0] ?? "").trim();
      const label = `${name}:${hunk.line}`;
      listed.push({ label, description: size, detail, chosen: { hunk: hunk.hunk }, hunk, buttons });
    }
  }
  const turns = groups(hunks, ({ turn }) => turn);
  if (turns.length > 1) {
    listed.push({ label: "turns", kind: vscode.QuickPickItemKind.Separator });
    turns.forEach(([turn, ofTurn], index) => {
      const label = index === turns.length - 1 ? "All of the last turn" : `All of turn ${index + 1}`;
      listed.push({ label, description: count(ofTurn.length, "change"), chosen: { turn }, buttons });
    });
  }
  return listed;
}

/** Where it would be made, if there is such a file; else the document with the diffs of its turn. */
async function show(hunk: PendingHunk): Promise<void> {
  const at = new vscode.Position(hunk.line - 1, 0);
  try {
    await vscode.window.showTextDocument(vscode.Uri.parse(hunk.uri), { selection: new vscode.Range(at, at) });
  } catch {
    await vscode.window.showTextDocument(vscode.Uri.parse(`flux:/review/${hunk.turn}.diff`));
  }
}

function groups<T>(values: T[], keyOf: (value: T) => string): [string, T[]][] {
  const found = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    found.set(key, [...(found.get(key) ?? []), value]);
  }
  return [...found];
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
