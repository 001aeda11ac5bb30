/** Flux in VS Code: each command is a request to the language server, and something shown of its answer. */

import * as vscode from "vscode";
import { Chat } from "./chat";
import { askForKey } from "./keys";
import type { Checkpoint, Models, Place, Turn, TurnEvent, UsageReport } from "./protocol";
import { ACCEPT, REJECT, Review } from "./review";
import { Server, showError } from "./server";
import { Sessions } from "./sessions";
import { Status, usageText } from "./status";

const BRIEFLY_MS = 8_000;
/** Where what the user works on may be: a file, one that was never saved, a notebook's cell. */
const EDITED = ["file", "untitled", "vscode-notebook-cell"];

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const chat = new Chat();
  const status = new Status();
  const review = new Review((command, argument) => server.ask(command, argument));
  const server: Server = new Server(context, onEvent, () => status.reset(), {
    [ACCEPT]: (chosen) => review.accept(chosen),
    [REJECT]: (chosen) => review.reject(chosen),
  });

  const sessions = new Sessions((command, argument) => server.ask(command, argument), chat);

  function onEvent(event: TurnEvent): void {
    chat.onEvent(event);
    status.onEvent(event);
    if (event.type === "turn_end") {
      void refreshUsage();
    } else if (event.type === "review") {
      void review.offer(event.turn_id, event.hunks);
    }
  }

  async function refreshUsage(): Promise<UsageReport | undefined> {
    const report = await server.ask<UsageReport>("flux.usage");
    if (report) {
      status.showUsage(report);
    }
    return report;
  }

  /** Begin anew, with another server process. */
  async function restart(): Promise<void> {
    chat.session = undefined;
    await server.start();
  }

  async function beginChat(): Promise<void> {
    chat.session = (await server.ask<{ session: string }>("flux.chat.new"))?.session;
  }

  /** Say something, in the chat that is shown. While a turn runs it waits for its end, or is given to that turn. */
  async function ask(meanwhile: "queue" | "steer" = "queue", value = ""): Promise<void> {
    const editor = userEditor();
    const about = editor ? placeName(editor) : "";
    const title = { queue: chat.isRunning ? "Flux: Ask after this turn" : "Flux: Ask", steer: "Flux: Steer this turn" };
    const text = await vscode.window.showInputBox({
      title: title[meanwhile],
      value,
      prompt: about && `About ${about}`,
      placeHolder: "A question, or what to change",
      ignoreFocusOut: true,
    });
    if (!text?.trim()) {
      return;
    }
    if (!chat.session) {
      await beginChat();
    }
    if (chat.session) {
      await chat.show();
      if (!chat.isRunning) {
        chat.say(text, about); // else an event says that it waits
      }
      const given = { text, session: chat.session, meanwhile, ...place(editor) };
      chat.finish(await server.ask<Turn>("flux.chat.send", given));
    }
  }

  async function edit(): Promise<void> {
    const editor = userEditor();
    if (!editor) {
      return showError("there is no file to edit.");
    }
    const instruction = await vscode.window.showInputBox({
      title: "Flux: Edit",
      prompt: `What to do in ${placeName(editor)}`,
      ignoreFocusOut: true,
    });
    if (instruction?.trim()) {
      const turn = await server.ask<Turn>("flux.edit", { instruction, ...place(editor) });
      if (turn) {
        showTurn(turn);
      }
    }
  }

  async function cancel(): Promise<void> {
    const result = await server.ask<{ cancelled: string[] }>("flux.turn.cancel");
    if (result) {
      showBriefly(result.cancelled.length > 0 ? "cancelled" : "nothing is running");
    }
  }

  async function go(command: string, done: string, given: object = {}): Promise<void> {
    const result = await server.ask<{ paths: string[] }>(command, given);
    if (result) {
      showBriefly(result.paths.length > 0 ? `${done}: ${result.paths.join(", ")}` : "it is so already");
    }
  }

  async function setCheckpoint(): Promise<void> {
    const name = await vscode.window.showInputBox({ title: "Flux: a name for this point (empty: one with a number)" });
    const point = name !== undefined && (await server.ask<Checkpoint>("flux.checkpoint.set", { name }));
    if (point) {
      showBriefly(`this point is ${point.name}`);
    }
  }

  async function returnToCheckpoint(): Promise<void> {
    const list = await server.ask<{ checkpoints: Checkpoint[] }>("flux.checkpoint.list");
    const items = (list?.checkpoints ?? []).reverse().map(({ number, name, title, at }) => ({
      checkpoint: String(number),
      label: name || `before: ${title}`,
      description: at ? new Date(at * 1000).toLocaleString() : "",
    }));
    const picked = list && (await vscode.window.showQuickPick(items, { title: "Flux: return to" }));
    if (picked) {
      await go("flux.checkpoint.restore", "returned", { checkpoint: picked.checkpoint });
    }
  }

  async function chooseModel(): Promise<void> {
    const list = await server.ask<Models>("flux.model.list");
    const items = (list?.models ?? []).map(({ name, title, speed, price }) => ({
      name,
      label: title,
      description: name === list?.present ? "now" : "",
      detail: [name, speed, ...(price ? [`$${price[0]} in, $${price[1]} out for a million tokens`] : [])].join(" · "),
    }));
    const picked = list && (await vscode.window.showQuickPick(items, { title: `Flux: models of ${list.provider}` }));
    const result = picked && (await server.ask<{ model: string }>("flux.model.set", { model: picked.name }));
    if (result) {
      status.showModel(result.model);
    }
  }

  async function showUsage(): Promise<void> {
    const report = await refreshUsage();
    if (report) {
      void vscode.window.showInformationMessage(`Flux: ${usageText(report)}`);
    }
  }

  /** What a command reports, as a document that is not saved. */
  async function showReport(command: string, given: object = {}): Promise<void> {
    const report = await server.ask<{ text: string }>(command, given);
    if (report) {
      const document = await vscode.workspace.openTextDocument({ content: report.text, language: "plaintext" });
      await vscode.window.showTextDocument(document);
    }
  }

  async function withdraw(): Promise<void> {
    const result = await server.ask<{ text: string }>("flux.chat.withdraw", { session: chat.session });
    if (result) {
      showBriefly(`taken back: ${result.text}`);
    }
  }

  /** Keep the file, or the last turn where there is none; or keep nothing more. */
  async function pin(pinned: boolean): Promise<void> {
    const path = userEditor()?.document.uri.fsPath ?? "";
    const result = await server.ask<{ pins: { name: string }[] }>("flux.context.pin", { path, pinned });
    if (result) {
      const names = result.pins.map(({ name }) => name).join(", ");
      showBriefly(names ? `pinned: ${names}` : "nothing is pinned");
    }
  }

  async function compact(): Promise<void> {
    if (await server.ask("flux.context.compact")) {
      showBriefly("a summary stands for the earlier turns");
    }
  }

  async function fork(): Promise<void> {
    const words = await sessions.fork();
    if (words !== undefined) {
      await ask("queue", words);
    }
  }

  async function setKey(): Promise<void> {
    const key = await askForKey(context.secrets);
    if (key) {
      await server.set(key).catch(showError);
    }
  }

  async function newChat(): Promise<void> {
    chat.clear();
    await beginChat();
    await chat.show();
  }

  const commands: Record<string, () => unknown> = {
    "flux.ask": () => ask(),
    "flux.steer": () => ask("steer"),
    "flux.withdraw": withdraw,
    "flux.forkChat": fork,
    "flux.previewContext": () => showReport("flux.context.show", place(userEditor())),
    "flux.pin": () => pin(true),
    "flux.unpin": () => pin(false),
    "flux.compact": compact,
    "flux.editSelection": edit,
    "flux.cancel": cancel,
    "flux.undoTurn": () => go("flux.turn.undo", "taken back"),
    "flux.redoTurn": () => go("flux.turn.redo", "made again"),
    "flux.setCheckpoint": setCheckpoint,
    "flux.returnToCheckpoint": returnToCheckpoint,
    "flux.chooseModel": chooseModel,
    "flux.reviewChanges": () => review.list(),
    "flux.showUsage": showUsage,
    "flux.showDoctor": () => showReport("flux.doctor"),
    "flux.setKey": setKey,
    "flux.newChat": newChat,
    "flux.resumeSession": () => sessions.resume(),
    "flux.searchSessions": () => sessions.search(),
    "flux.renameSession": () => sessions.rename(),
    "flux.exportSession": () => sessions.export(),
    "flux.deleteSession": () => sessions.delete(),
    "flux.restart": restart,
    "flux.showLog": () => server.showLog(),
  };
  for (const [name, run] of Object.entries(commands)) {
    context.subscriptions.push(vscode.commands.registerCommand(name, run));
  }
  context.subscriptions.push(
    chat,
    status,
    server,
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("flux.command") || event.affectsConfiguration("flux.python")) {
        void restart();
      }
    }),
  );
  await server.start();
}

/** The editor that the user works in: the active one, or one beside the chat. */
function userEditor(): vscode.TextEditor | undefined {
  const editors = [vscode.window.activeTextEditor, ...vscode.window.visibleTextEditors];
  return editors.find((editor) => editor && EDITED.includes(editor.document.uri.scheme));
}

function place(editor: vscode.TextEditor | undefined): Place {
  if (!editor) {
    return {};
  }
  const { start, end, isEmpty } = editor.selection;
  const uri = editor.document.uri.toString();
  return isEmpty ? { uri } : { uri, range: { start: position(start), end: position(end) } };
}

function position({ line, character }: vscode.Position): { line: number; character: number } {
  return { line, character };
}

function placeName(editor: vscode.TextEditor): string {
  const name = vscode.workspace.asRelativePath(editor.document.uri);
  const { start, end, isEmpty } = editor.selection;
  return isEmpty ? name : `${name} lines ${start.line + 1}-${end.line + 1}`;
}

function showTurn(turn: Turn): void {
  if (turn.status === "failed") {
    showError(turn.summary);
  } else if (turn.paths.length === 0 && turn.text) {
    void vscode.window.showInformationMessage(`Flux: ${turn.text}`); // words where an edit was asked for
  } else {
    showBriefly(turn.summary);
  }
}

function showBriefly(text: string): void {
  vscode.window.setStatusBarMessage(`Flux: ${text}`, BRIEFLY_MS);
}
