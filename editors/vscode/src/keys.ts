/** Keys: kept in the editor's secret storage, sent to the server by a request, and never written to settings. */

import * as vscode from "vscode";

/** The settings that are keys, and what to call them. */
const KEYS: Record<string, string> = {
  anthropic_api_key: "Anthropic",
  openai_api_key: "OpenAI",
  api_key: "the provider that is set",
};

export async function storedKeys(secrets: vscode.SecretStorage): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of Object.keys(KEYS)) {
    const key = await secrets.get(`flux.${name}`);
    if (key) {
      found[name] = key;
    }
  }
  return found;
}

/** Ask for a key and keep it. An empty one removes what was kept. Undefined where the user changed nothing. */
export async function askForKey(secrets: vscode.SecretStorage): Promise<Record<string, string> | undefined> {
  const items = Object.entries(KEYS).map(([name, label]) => ({ name, label, description: name }));
  const picked = await vscode.window.showQuickPick(items, { title: "Flux: a key for …" });
  if (!picked) {
    return undefined;
  }
  const key = await vscode.window.showInputBox({
    title: `Flux: the key for ${picked.label}`,
    prompt: "Kept in VS Code's secret storage. Empty: forget it.",
    password: true,
    ignoreFocusOut: true,
  });
  if (key === undefined) {
    return undefined;
  }
  await (key ? secrets.store(`flux.${picked.name}`, key) : secrets.delete(`flux.${picked.name}`));
  return { [picked.name]: key };
}
