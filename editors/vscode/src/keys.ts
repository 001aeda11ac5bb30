/** Keys: kept in the editor's secret storage, given to the server when it asks, and never written to settings. */

import * as vscode from "vscode";

/** The settings that are keys, and what to call them. */
const KEYS: Record<string, string> = {
  anthropic_api_key: "Anthropic",
  openai_api_key: "OpenAI",
  azure_openai_api_key: "Azure OpenAI",
  groq_api_key: "Groq",
  openrouter_api_key: "OpenRouter",
  deepseek_api_key: "DeepSeek",
  litellm_api_key: "a LiteLLM gateway",
  api_key: "the provider that is set",
};

/** The names of the settings for which a key is kept. */
export async function storedKeys(secrets: vscode.SecretStorage): Promise<string[]> {
  const names = Object.keys(KEYS);
  const keys = await Promise.all(names.map((name) => secrets.get(`flux.${name}`)));
  return names.filter((_, i) => keys[i]);
}

/** The key for one of those settings, as the server asks for it. */
export async function storedKey(secrets: vscode.SecretStorage, setting: string): Promise<{ value: string } | null> {
  const value = setting in KEYS ? await secrets.get(`flux.${setting}`) : undefined;
  return value ? { value } : null;
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
