/** What other extensions know of the code, for Flux when it asks: flux/editor/query in docs/protocol.md. */

import * as vscode from "vscode";
import type { LanguageClient, Position } from "vscode-languageclient/node";
import { answerProblems } from "./problems";

export const QUERIES = ["definition", "references", "hover", "symbols", "rename", "diagnostics"];

export type Question =
  | { kind: "definition" | "references" | "hover"; uri: string; version: number | null; position: Position }
  | { kind: "rename"; uri: string; version: number | null; position: Position; newName: string }
  | { kind: "symbols"; uri?: string; version?: number | null; words?: string }
  | { kind: "diagnostics"; uri: string; version: number; waitMs: number };

/** Null where nobody knows. What stands in an open document is told for the version that was asked about, or not at all. */
export async function answerQuery(client: LanguageClient, question: Question): Promise<unknown> {
  if (question.kind === "diagnostics") {
    return answerProblems(client, question);
  }
  if (question.uri === undefined) {
    const found = await run<vscode.SymbolInformation[]>("WorkspaceSymbol", question.kind === "symbols" ? question.words : "");
    return { symbols: found?.map((symbol) => symbolOf(client, symbol, symbol.location.uri, symbol.location.range, symbol.containerName)) ?? [] };
  }
  const uri = client.protocol2CodeConverter.asUri(question.uri);
  const document = await vscode.workspace.openTextDocument(uri);
  if (typeof question.version === "number" && document.version !== question.version) {
    throw new Error("the text is another by now.");
  }
  if (question.kind === "symbols") {
    const found = await run<(vscode.DocumentSymbol | vscode.SymbolInformation)[]>("DocumentSymbol", uri);
    return { symbols: found?.flatMap((symbol) => flat(client, uri, symbol)) ?? [] };
  }
  const position = client.protocol2CodeConverter.asPosition(question.position);
  switch (question.kind) {
    case "definition":
    case "references": {
      const name = question.kind === "definition" ? "Definition" : "Reference";
      const found = await run<(vscode.Location | vscode.LocationLink)[]>(name, uri, position);
      return { locations: found?.map((place) => locationOf(client, place)) ?? [] };
    }
    case "hover": {
      const found = await run<vscode.Hover[]>("Hover", uri, position);
      const parts = found?.flatMap(({ contents }) => contents) ?? [];
      return { text: parts.map((part) => (typeof part === "string" ? part : part.value)).join("\n\n") };
    }
    case "rename": {
      // The edits are for these: the user may type while they are made.
      const versions = new Map(vscode.workspace.textDocuments.map((open) => [open.uri.toString(), open.version]));
      const edit = await vscode.commands.executeCommand<vscode.WorkspaceEdit | undefined>(
        "vscode.executeDocumentRenameProvider", uri, position, question.newName,
      );
      return edit ? { documentChanges: changesOf(client, edit, versions) } : null;
    }
  }
}

function run<T>(provider: string, ...args: unknown[]): Thenable<T | undefined> {
  return vscode.commands.executeCommand<T | undefined>(`vscode.execute${provider}Provider`, ...args);
}

function locationOf(client: LanguageClient, place: vscode.Location | vscode.LocationLink): object {
  const [uri, range] =
    place instanceof vscode.Location ? [place.uri, place.range] : [place.targetUri, place.targetSelectionRange ?? place.targetRange];
  return { uri: client.code2ProtocolConverter.asUri(uri), range: client.code2ProtocolConverter.asRange(range) };
}

function flat(client: LanguageClient, uri: vscode.Uri, symbol: vscode.DocumentSymbol | vscode.SymbolInformation, container = ""): object[] {
  if (!("children" in symbol)) {
    return [symbolOf(client, symbol, symbol.location.uri, symbol.location.range, symbol.containerName)];
  }
  const name = container ? `${container}.${symbol.name}` : symbol.name;
  return [
    symbolOf(client, symbol, uri, symbol.selectionRange, container),
    ...symbol.children.flatMap((child) => flat(client, uri, child, name)),
  ];
}

function symbolOf(client: LanguageClient, { name, kind }: { name: string; kind: vscode.SymbolKind }, uri: vscode.Uri, range: vscode.Range, container?: string): object {
  const location = locationOf(client, new vscode.Location(uri, range));
  return { name, kind: kind + 1, location, ...(container ? { containerName: container } : {}) }; // VS Code counts kinds from 0
}

/** The text edits with the versions that they are for. What does more than edit text is refused: it would be done in part. */
function changesOf(client: LanguageClient, edit: vscode.WorkspaceEdit, versions: ReadonlyMap<string, number>): object[] {
  const files = edit.entries();
  if (edit.size !== files.length) {
    throw new Error("it would do more than edit text.");
  }
  return files.map(([uri, edits]) => ({
    textDocument: { uri: client.code2ProtocolConverter.asUri(uri), version: versions.get(uri.toString()) ?? null },
    edits: edits.map(({ range, newText }) => ({ range: client.code2ProtocolConverter.asRange(range), newText })),
  }));
}
