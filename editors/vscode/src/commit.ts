/** A commit message that Flux wrote goes into the box of the Source Control view, where it can be changed. */

import * as vscode from "vscode";

/** What is used of the API of VS Code's own Git extension (its git.d.ts, version 1). */
interface Repository {
  rootUri: vscode.Uri;
  inputBox: { value: string };
}
interface GitExtension {
  getAPI(version: 1): { repositories: Repository[] };
}

/** Put it into the box of the repository that has the folder; without one it opens as a document. */
export async function showCommitMessage({ uri, text }: { uri: string; text: string }): Promise<void> {
  const git = await vscode.extensions.getExtension<GitExtension>("vscode.git")?.activate();
  const folder = vscode.Uri.parse(uri).fsPath;
  const above = git?.getAPI(1).repositories.filter(({ rootUri }) => `${folder}/`.startsWith(`${rootUri.fsPath}/`));
  const nearest = above?.sort((a, b) => b.rootUri.fsPath.length - a.rootUri.fsPath.length)[0];
  if (!nearest) {
    const document = await vscode.workspace.openTextDocument({ language: "git-commit", content: text });
    await vscode.window.showTextDocument(document);
    return;
  }
  // What the user has there already is theirs.
  nearest.inputBox.value = [text, nearest.inputBox.value].filter(Boolean).join("\n\n");
  await vscode.commands.executeCommand("workbench.view.scm");
}
