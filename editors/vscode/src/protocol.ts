/** What Flux adds to LSP, as far as it is used here; docs/protocol.md has all of it. */

import type { Range } from "vscode-languageclient/node";

export const TURN_EVENT = "flux/turnEvent";
export const SET_SETTINGS = "flux/setSettings";
export const COMMIT_MESSAGE = "flux/commitMessage";
export const SECRET = "flux/secret";
export const APPROVE = "flux/approve";
export const EDITOR_QUERY = "flux/editor/query";

export type TurnEvent = { turn_id: string; session_id: string } & (
  | { type: "queue"; message_id: string; text: string; state: string }
  | { type: "turn_start"; provider: string; model: string; message_id: string }
  | { type: "text_delta" | "reasoning_delta"; text: string }
  | { type: "tool_call"; title: string }
  | { type: "tool_result"; summary: string; is_error: boolean }
  | { type: "approval" | "edit_applied"; call_id: string; diff: string }
  | { type: "review"; hunks: ProposedHunk[] }
  | { type: "retry"; reason: string; wait_s: number }
  | { type: "notice"; text: string }
  | { type: "summary"; text: string; words: string }
  | { type: "usage"; used_tokens: number; window_tokens: number }
  | { type: "turn_end" }
);

/** A change that waits for the user; `diff` is of it alone. */
export interface ProposedHunk {
  id: string;
  path: string;
  line: number;
  diff: string;
}

/** The same in the list of all that waits. `line` is counted from 1; `before` and `after` are lines. */
export interface PendingHunk {
  hunk: string;
  turn: string;
  path: string;
  uri: string;
  line: number;
  before: string[];
  after: string[];
}

export interface Accepted {
  accepted: string[];
  refused: { hunk: string; path: string; reason: string }[];
}

export interface Rejected {
  rejected: string[];
}

/** What a command that runs a turn results in. */
export interface Turn {
  /** Empty where a message got no turn of its own. */
  turn: string;
  status: string;
  text: string;
  paths: string[];
  summary: string;
}

export interface Models {
  provider: string;
  present: string;
  models: { name: string; title: string; speed: string; price: [number, number] | null }[];
}

export interface Checkpoint {
  number: number;
  name: string;
  title: string;
  at: number;
}

/** A line of the list of sessions, or of what was found in them. `usedAt` is in seconds since 1970. */
export interface Session {
  session: string;
  title: string;
  folder: string;
  usedAt: number;
  excerpt?: string;
}

/** A session that is gone on with; `heldBy` names another process that has it open, and is empty where there is none. */
export interface Resumed {
  session: string;
  heldBy: string;
  messages: { role: "user" | "assistant"; text: string; turn: string; isInterrupted: boolean }[];
}

/** A session that goes on from an earlier message of another one; `turns` changed files since, the last first. */
export interface Forked extends Resumed {
  changed: string[];
  turns: string[];
  notice: string;
}

export interface UsageReport {
  usage: { inputTokens: number; outputTokens: number };
  costText: string;
}

/** Where the user is: a file, and what is selected in it. */
export interface Place {
  uri?: string;
  range?: Range;
}
