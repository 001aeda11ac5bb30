/** The language server: which program it is, how it is started, and how it is asked. */

import { execFile } from "node:child_process";
import { homedir } from "node:os";
import { promisify } from "node:util";
import * as vscode from "vscode";
import {
  ExecuteCommandRequest,
  LanguageClient,
  type LanguageClientOptions,
  type ServerOptions,
  State,
} from "vscode-languageclient/node";
import { type Approval, approve } from "./approval";
import { showCommitMessage } from "./commit";
import { watchProblems } from "./problems";
import { APPROVE, COMMIT_MESSAGE, EDITOR_QUERY, SECRET, SET_SETTINGS, TURN_EVENT, type TurnEvent } from "./protocol";
import { answerQuery, QUERIES, type Question } from "./query";
import { storedKey, storedKeys } from "./keys";

const VERSION_MS = 15_000;
/** Settings of this extension, which the server does not know. */
const OWN_SETTINGS = ["command", "python"];

// Never the workspace: a program or a Python module that lies there must not be taken for Flux.
const cwd = homedir();

export class Server implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private readonly watching = watchProblems();

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly onEvent: (event: TurnEvent) => void,
    private readonly onStarted: () => void,
    /** Commands of the server's that ask the user something first, or show what came of them. */
    private readonly own: Record<string, (argument: object) => Promise<void>>,
  ) {}

  /** Start the server, or start it anew. What goes wrong is shown. */
  async start(): Promise<void> {
    await this.client?.dispose();
    this.client = undefined;
    const command = await findCommand();
    if (!command) {
      return showHowToInstall();
    }
    const secrets = await storedKeys(this.context.secrets);
    const [program = "", ...args] = command;
    const options: ServerOptions = { command: program, args, options: { cwd } };
    const client = new LanguageClient("flux", "Flux", options, clientOptions(secrets, this.own));
    client.onNotification(TURN_EVENT, this.onEvent);
    client.onNotification(COMMIT_MESSAGE, showCommitMessage);
    client.onRequest(SECRET, ({ setting }: { setting: string }) => storedKey(this.context.secrets, setting));
    client.onRequest(APPROVE, (question: Approval, token) => approve(question, token));
    client.onRequest(EDITOR_QUERY, (question: Question) => answerQuery(client, question));
    // Also when the client has started a server anew that had ended by itself.
    client.onDidChangeState(({ newState }) => newState === State.Running && this.onStarted());
    this.client = client;
    try {
      await client.start();
    } catch (error) {
      showError(error);
    }
  }

  /** Settings that win over all others until the server ends, such as a key that was just given. */
  async set(settings: Record<string, string>): Promise<void> {
    await this.client?.sendRequest(SET_SETTINGS, settings);
  }

  /** The result of a command of the server's. Where there is none, why is shown, and it is undefined. */
  async ask<T>(command: string, argument: object = {}): Promise<T | undefined> {
    try {
      if (!this.client?.isRunning()) {
        throw new Error("its server does not run. “Flux: Restart Server” tries again.");
      }
      return (await this.client.sendRequest(ExecuteCommandRequest.type, { command, arguments: [argument] })) as T;
    } catch (error) {
      showError(error);
      return undefined;
    }
  }

  showLog(): void {
    this.client?.outputChannel.show();
  }

  async dispose(): Promise<void> {
    this.watching.dispose();
    await this.client?.dispose();
  }
}

export function showError(error: unknown): void {
  void vscode.window.showErrorMessage(`Flux: ${error instanceof Error ? error.message : String(error)}`);
}

function clientOptions(
  secrets: string[],
  own: Record<string, (argument: object) => Promise<void>>,
): LanguageClientOptions {
  return {
    documentSelector: [{ scheme: "file" }, { scheme: "untitled" }, { scheme: "flux" }],
    synchronize: { configurationSection: "flux" },
    initializationOptions: {
      settings: fluxSettings(),
      turnEvents: true,
      commitMessages: true,
      approval: true,
      query: QUERIES,
      secrets,
    },
    middleware: {
      workspace: {
        // What stands under `flux.` for this extension alone is not sent along: the server asks, by the line below.
        didChangeConfiguration: (_sections, next) => next(undefined),
        configuration: (params) => params.items.map((item) => (item.section === "flux" ? fluxSettings() : null)),
      },
      // A code action ends here; the client's own report of a failure would not say why.
      executeCommand: async (command, args, next) => {
        try {
          const run = own[command];
          return run ? await run((args[0] as object | undefined) ?? {}) : await next(command, args);
        } catch (error) {
          showError(error);
          return undefined;
        }
      },
    },
  };
}

/** The declared settings that the user has set. Not what else stands under `flux.`, which a workspace could have put there. */
function fluxSettings(): Record<string, unknown> {
  const configuration = vscode.workspace.getConfiguration("flux");
  const properties: object = vscode.extensions.getExtension("flux-lsp.flux-lsp")?.packageJSON.contributes.configuration.properties;
  const names = Object.keys(properties).map((name) => name.replace(/^flux\./, ""));
  const values = names.filter((name) => !OWN_SETTINGS.includes(name)).map((name) => [name, configuration.get(name)]);
  return Object.fromEntries(values.filter(([, value]) => value !== null && value !== ""));
}

/** The first of the two ways to start Flux that works here. */
async function findCommand(): Promise<string[] | undefined> {
  const configuration = vscode.workspace.getConfiguration("flux");
  const python = configuration.get<string>("python") || (process.platform === "win32" ? "python" : "python3");
  const commands = [configuration.get<string[]>("command", ["flux", "serve"]), [python, "-P", "-m", "flux", "serve"]];
  for (const command of commands) {
    if (await answersVersion(command)) {
      return command;
    }
  }
  return undefined;
}

async function answersVersion(command: string[]): Promise<boolean> {
  const [program, ...args] = [...command.slice(0, -1), "--version"];
  if (!program) {
    return false;
  }
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd, timeout: VERSION_MS });
    return stdout.startsWith("flux ");
  } catch {
    return false;
  }
}

async function showHowToInstall(): Promise<void> {
  const open = "Open Settings";
  const message = "Flux's server was not found: install the Python package, or say where it is (flux.command, flux.python).";
  if ((await vscode.window.showErrorMessage(message, open)) === open) {
    await vscode.commands.executeCommand("workbench.action.openSettings", "@ext:flux-lsp.flux-lsp");
  }
}
