/** The chat: a read-only Markdown document that grows as a turn's events come. Renders, and knows no server. */

import * as vscode from "vscode";
import type { Resumed, Turn, TurnEvent } from "./protocol";

const SCHEME = "flux-chat";
const DOCUMENT = vscode.Uri.from({ scheme: SCHEME, path: "Flux chat.md" });
/** The document is read anew at most so often while text streams. */
const REFRESH_MS = 40;

export class Chat implements vscode.TextDocumentContentProvider, vscode.Disposable {
  /** The session that is shown. */
  session: string | undefined;
  /** A turn of it is at work, so that what is said now waits. */
  isRunning = false;

  private readonly waiting = new Map<string, string>();
  private text = "";
  private textFollows = false;
  private thoughtFollows = false;
  private shownCall = "";
  private timer: NodeJS.Timeout | undefined;
  private followsEnd = true;
  private firstVisibleLine = 0;
  private lastVisibleLine = 0;
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;
  private readonly subscriptions: vscode.Disposable[] = [
    this.changed,
    vscode.workspace.registerTextDocumentContentProvider(SCHEME, this),
    vscode.workspace.onDidChangeTextDocument(({ document }) => this.revealEnd(document)),
    vscode.window.onDidChangeTextEditorVisibleRanges(({ textEditor }) => this.noteScrolling(textEditor)),
  ];

  provideTextDocumentContent(): string {
    return this.text;
  }

  /** Show the document beside the present one, which keeps the cursor. */
  async show(): Promise<void> {
    const isShown = vscode.window.visibleTextEditors.some(({ document }) => document.uri.scheme === SCHEME);
    if (!isShown) {
      const options = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true, preview: false };
      const document = await vscode.workspace.openTextDocument(DOCUMENT);
      const editor = await vscode.window.showTextDocument(document, options);
      editor.options = { lineNumbers: vscode.TextEditorLineNumbersStyle.Off };
    }
  }

  /** What the user says; `about` names what goes with it. */
  say(text: string, about: string): void {
    this.followsEnd = true;
    this.block("## You");
    this.block(text);
    if (about) {
      this.block(`*about ${about}*`);
    }
  }

  /** Show another session: what was said in it, without what was done. */
  resume({ session, heldBy, messages }: Resumed): void {
    this.clear();
    this.session = session;
    this.followsEnd = true;
    let speaker = "";
    for (const { role, text, isInterrupted } of messages.filter((message) => message.text)) {
      if (role === "user" || role !== speaker) {
        this.block(role === "user" ? "## You" : "## Flux");
      }
      speaker = role;
      this.block(isInterrupted ? `${text}\n\n*interrupted*` : text);
    }
    if (heldBy) {
      this.block(`**${heldBy}**`);
    }
  }

  /** Show an event of this session's turns. */
  onEvent(event: TurnEvent): void {
    if (event.session_id !== this.session) {
      return;
    }
    switch (event.type) {
      case "queue":
        this.waiting.set(event.message_id, event.text);
        this.item(`${event.state}: ${event.text.replace(/\s+/g, " ")}`);
        break;
      case "turn_start": {
        this.isRunning = true;
        const said = this.waiting.get(event.message_id);
        if (said) {
          this.say(said, "");
        }
        this.block(`## ${event.model}`);
        break;
      }
      case "turn_end":
        this.isRunning = false;
        break;
      case "text_delta":
        this.append(this.textFollows ? event.text : this.gap() + event.text.trimStart());
        break;
      case "reasoning_delta":
        this.append(this.quote(event.text));
        break;
      case "tool_call":
        this.item(event.title);
        break;
      case "tool_result":
        if (event.is_error) {
          this.item(`refused: ${event.summary}`);
        }
        break;
      case "approval":
      case "edit_applied":
        this.diff(event.call_id, event.diff);
        break;
      case "review":
        this.block("Proposed, and not made yet:");
        this.block(`~~~~diff\n${event.hunks.map((hunk) => hunk.diff.trimEnd()).join("\n")}\n~~~~`);
        break;
      case "retry":
        this.item(`${event.reason}; again in ${Math.round(event.wait_s)} s`);
        break;
      case "notice":
        this.item(event.text);
        break;
      case "summary":
        this.block(`*${event.words}*`);
        this.block(`> ${event.text.replace(/\r?\n/g, "\n> ")}`);
        break;
    }
    this.textFollows = event.type === "text_delta";
    this.thoughtFollows = event.type === "reasoning_delta";
  }

  /** The end of a turn; undefined where there was none, and why was shown. A message that got no turn has said so. */
  finish(turn: Turn | undefined): void {
    if (turn?.turn === "") {
      return;
    }
    if (turn && this.isRunning) {
      this.item(`the turn before: ${turn.summary}`); // one that waited for it has begun already
      return;
    }
    this.block(`*${turn ? turn.summary : "not done"}*`);
  }

  clear(): void {
    this.session = undefined;
    this.isRunning = false;
    this.waiting.clear();
    this.text = "";
    this.append("");
  }

  dispose(): void {
    clearTimeout(this.timer);
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  private append(text: string): void {
    this.text += text;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.changed.fire(DOCUMENT);
    }, REFRESH_MS);
  }

  /** The line ends that are missing for an empty line before what comes. */
  private gap(): string {
    return this.text === "" || this.text.endsWith("\n\n") ? "" : this.text.endsWith("\n") ? "\n" : "\n\n";
  }

  private block(text: string): void {
    this.append(`${this.gap()}${text}\n`);
    this.textFollows = false;
  }

  /** Thoughts are quoted; each paragraph folds as the editor folds Markdown. */
  private quote(text: string): string {
    const begin = this.thoughtFollows ? "" : `${this.gap()}> *Thoughts*\n>\n> `;
    return begin + text.replace(/\r?\n/g, "\n> ");
  }

  /** What Flux did; items that follow each other are one list. */
  private item(text: string): void {
    const isInList = /(^|\n)- [^\n]*\n$/.test(this.text);
    this.append(`${isInList ? "" : this.gap()}- ${text}\n`);
  }

  /** The change of a call: once, though it is told before it is made and after. */
  private diff(call: string, diff: string): void {
    if (this.shownCall !== call) {
      this.shownCall = call;
      this.block(`~~~~diff\n${diff.trimEnd()}\n~~~~`);
    }
  }

  private revealEnd(document: vscode.TextDocument): void {
    if (document.uri.scheme !== SCHEME || !this.followsEnd) {
      return;
    }
    const end = document.lineAt(document.lineCount - 1).range;
    for (const editor of vscode.window.visibleTextEditors.filter((editor) => editor.document === document)) {
      editor.revealRange(end);
    }
  }

  /**
   * A user who scrolls up wants to read there; one who comes back to the end wants to follow again. Where a panel
   * opens below, fewer lines are left, and the end is shown again.
   */
  private noteScrolling(editor: vscode.TextEditor): void {
    const first = editor.visibleRanges[0]?.start.line;
    const last = editor.visibleRanges.at(-1)?.end.line;
    if (editor.document.uri.scheme !== SCHEME || first === undefined || last === undefined) {
      return;
    }
    if (first < this.firstVisibleLine) {
      this.followsEnd = false;
    }
    if (last >= editor.document.lineCount - 2) {
      this.followsEnd = true;
    }
    const isCutOff = first === this.firstVisibleLine && last < this.lastVisibleLine - 2;
    this.firstVisibleLine = first;
    this.lastVisibleLine = last;
    if (isCutOff) {
      this.revealEnd(editor.document);
    }
  }
}
