/** What other extensions found in a document, for Flux when it asks: flux/editor/query in docs/protocol.md. */

import * as vscode from "vscode";
import type { Diagnostic, LanguageClient } from "vscode-languageclient/node";

/** Several may report one after the other. */
const QUIET_MS = 250;

interface Question {
  uri: string;
  version: number;
  waitMs: number;
}

/** When problems last came for a document, and its version then. */
const seen = new Map<string, { version: number; at: number }>();

export function watchProblems(): vscode.Disposable {
  return vscode.languages.onDidChangeDiagnostics(({ uris }) => {
    for (const uri of uris) {
      seen.set(uri.toString(), { version: findDocument(uri)?.version ?? 0, at: Date.now() });
    }
  });
}

/** Null where nothing came for that version in time. */
export async function answerProblems(client: LanguageClient, question: Question): Promise<{ diagnostics: Diagnostic[] } | null> {
  const uri = client.protocol2CodeConverter.asUri(question.uri);
  if (question.waitMs > 0 && !(await haveCome(uri, question))) {
    return null;
  }
  return { diagnostics: await client.code2ProtocolConverter.asDiagnostics(vscode.languages.getDiagnostics(uri)) };
}

async function haveCome(uri: vscode.Uri, { version, waitMs }: Question): Promise<boolean> {
  const until = Date.now() + waitMs;
  for (;;) {
    const last = seen.get(uri.toString());
    const quietAt = last && last.version >= version ? last.at + QUIET_MS : Infinity;
    if (quietAt <= Date.now()) {
      return true;
    }
    if (until <= Date.now()) {
      return false;
    }
    await nextChange(Math.min(quietAt, until) - Date.now());
  }
}

/** The next time that any problems change, or the end of the time. */
function nextChange(boundMs: number): Promise<void> {
  return new Promise((resolve) => {
    const listening = vscode.languages.onDidChangeDiagnostics(done);
    const timer = setTimeout(done, boundMs);
    function done(): void {
      listening.dispose();
      clearTimeout(timer);
      resolve();
    }
  });
}

function findDocument(uri: vscode.Uri): vscode.TextDocument | undefined {
  return vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
}
