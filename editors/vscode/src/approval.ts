/** The question before a change, where the user wants to be asked: flux/approve in docs/protocol.md. */

import * as vscode from "vscode";

export interface Approval {
  title: string;
  paths: string[];
  diff: string;
}

const [APPLY, ALWAYS, SHOW, NO] = ["Apply", "Always in This Session", "Show Changes", "Do Not"];

/** Whatever is not a yes is a no, also where nobody waits for the answer any more. */
export async function approve({ title, paths, diff }: Approval, token: vscode.CancellationToken): Promise<{ decision: "yes" | "always" | "no" }> {
  const cancelled = new Promise<undefined>((resolve) => token.onCancellationRequested(() => resolve(undefined)));
  for (;;) {
    const asking = vscode.window.showInformationMessage(`${title}: change ${paths.join(", ")}?`, APPLY, ALWAYS, SHOW, NO);
    switch (await Promise.race([asking, cancelled])) {
      case APPLY:
        return { decision: "yes" };
      case ALWAYS:
        return { decision: "always" };
      case SHOW:
        await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content: diff, language: "diff" }), { preview: true });
        continue;
      default:
        return { decision: "no" };
    }
  }
}
