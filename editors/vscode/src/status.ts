/** The item in the status bar: whether Flux works, with which model, and what it has cost. */

import * as vscode from "vscode";
import type { TurnEvent, UsageReport } from "./protocol";

export class Status implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem("flux", vscode.StatusBarAlignment.Right, 100);
  private readonly running = new Set<string>();
  private model = "";
  private usage: UsageReport | undefined;
  /** How much of the model's window the conversation has, 1 for all. */
  private windowShare = 0;

  constructor() {
    this.item.name = "Flux";
    this.item.command = { title: "Flux", command: "workbench.action.quickOpen", arguments: [">Flux: "] };
    this.show();
    this.item.show();
  }

  onEvent(event: TurnEvent): void {
    if (event.type === "turn_start") {
      this.running.add(event.turn_id);
      this.model = event.model;
    } else if (event.type === "turn_end") {
      this.running.delete(event.turn_id);
    } else if (event.type === "usage" && event.window_tokens > 0) {
      this.windowShare = event.used_tokens / event.window_tokens;
    }
    this.show();
  }

  showModel(model: string): void {
    this.model = model;
    this.show();
  }

  showUsage(usage: UsageReport): void {
    this.usage = usage;
    this.show();
  }

  /** A new server: nothing runs, nothing was used. */
  reset(): void {
    this.running.clear();
    this.usage = undefined;
    this.windowShare = 0;
    this.show();
  }

  dispose(): void {
    this.item.dispose();
  }

  private share(): string[] {
    return this.windowShare > 0 ? [`${Math.round(this.windowShare * 100)} % of the window`] : [];
  }

  private show(): void {
    const icon = this.running.size > 0 ? "$(loading~spin)" : "$(sparkle)";
    const parts = [this.model || "Flux", ...(this.usage ? [this.usage.costText] : []), ...this.share()];
    this.item.text = `${icon} ${parts.join(" · ")}`;
    this.item.tooltip = this.usage ? `Flux: ${usageText(this.usage)}` : "Flux: choose what to do";
  }
}

export function usageText({ usage, costText }: UsageReport): string {
  return `${usage.inputTokens.toLocaleString()} tokens in, ${usage.outputTokens.toLocaleString()} out · ${costText}`;
}
