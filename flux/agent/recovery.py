"""What a process that was killed in mid-turn left behind, made whole: the session can go on as after any interruption.

The answer that streamed is kept as far as it came; every call gets a result, which says what is known of the change
that it asked for; changes of which nobody was told any more are settled by looking at the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from flux.agent.session_store import SessionStore
from flux.agent.store.in_flight import Intent
from flux.core.errors import FileMissing, FluxError, SessionError, WorkspaceError
from flux.core.messages import Message, ToolCall, ToolResult, user_message
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.core.usage import Cost
from flux.edits.diff import text_edits_between
from flux.edits.plan import AppliedChange, rebase
from flux.edits.text_edit import TextEdit
from flux.llm.base_provider import Folder
from flux.tools.registry import builtin_tools
from flux.workspace.workspace import Workspace

ENDED = "Interrupted: Flux ended before it was done."
UNKNOWN = f"{ENDED} The file may or may not have been changed: read it again."
UNANSWERED = "Flux was ended before you could answer the message above."
CUT = "Flux was ended in the middle of your last answer; it stands above as far as it had come."

Outcome = Literal["made", "not made", "unknown"]


async def recover(store: SessionStore, session_id: str, workspace: Workspace) -> str:
    """Make the session whole; what the user should know of it, else an empty text. Does nothing a second time."""
    interrupted = _recover_answer(store, session_id)
    settled = [await _settle(store, session_id, intent, workspace) for intent in store.in_flight.intents(session_id)]
    answered = _recover_results(store, session_id, settled)
    asked = _recover_asked(store, session_id)
    store.end_drafts(session_id)
    lines = [str(one) for one in settled]
    if asked or interrupted or answered:
        lines.insert(0, "Flux ended in the middle of the last turn; what had come of it is kept.")
    return "\n".join(lines)


async def clear_leftovers(store: SessionStore, workspace: Workspace) -> None:
    """Remove what killed processes were about to write, for whichever session that began in the first folder."""
    folder = workspace.roots[0]
    with suppress(SessionError):  # another program keeps the store locked: the next session does it
        intents = [
            intent for id_ in store.in_flight.sessions_with_intents(folder) for intent in store.in_flight.intents(id_)
        ]
        ways = store.journal.left_behind(folder=folder)
        taken_back = [reversal.taken_back for way in ways for reversal in way.reversals if reversal.taken_back]
        changes = [*(change for intent in intents for change in intent.changes), *taken_back]
        if changes:
            await workspace.clear_leftovers({path for change in changes for path in change.paths})


def _recover_asked(store: SessionStore, session_id: str) -> bool:
    """The user's words are never lost, be it without what would have gone along with them."""
    asked = store.in_flight.asked(session_id)
    for turn_id, text in asked:
        store.add_message(session_id, turn_id, user_message(text))
        store.add_note(session_id, UNANSWERED)
    return bool(asked)


def _recover_answer(store: SessionStore, session_id: str) -> bool:
    """Make a message of what had streamed; calls that were cut short were not begun, and are only named."""
    streamed = store.in_flight.answer(session_id)
    if streamed is None:
        return False
    folder = Folder()
    for delta in streamed.deltas:
        folder.add(delta)
    response = folder.response()
    whole = response.message()
    parts = whole.parts if folder.is_finished else tuple(p for p in whole.parts if not isinstance(p, ToolCall))
    message = Message("assistant", parts)
    if message.tool_calls() or message.text():
        store.add_message(session_id, streamed.turn_id, message, is_interrupted=not folder.is_finished)
    else:
        store.forget_answer(session_id)
    if not folder.is_finished:
        calls = ", ".join(call.name for call in whole.tool_calls())
        store.add_note(session_id, f"{CUT} What you were about to call was not begun: {calls}." if calls else CUT)
    if response.usage.total_tokens:
        cost = Cost.of(response.usage, streamed.price)
        store.ledger.add(session_id, streamed.turn_id, streamed.provider, streamed.model, response.usage, cost)
    return True


@dataclass(frozen=True, slots=True)
class _Settled:
    """What became of each file of an intent."""

    call_ids: tuple[str, ...]
    files: Mapping[str, Outcome]

    def __str__(self) -> str:
        words: Mapping[Outcome, str] = {
            "made": "It was changed before that",
            "not made": "It was not changed",
            "unknown": "It may or may not have been changed, read it again",
        }
        told = [
            f"{words[outcome]}: {', '.join(name for name, its in self.files.items() if its == outcome)}."
            for outcome in dict.fromkeys(self.files.values())
        ]
        return " ".join(told)


async def _settle(store: SessionStore, session_id: str, intent: Intent, workspace: Workspace) -> _Settled:
    """Look at the files: what was made is recorded, so that it can be taken back."""
    files: dict[str, Outcome] = {}
    made: list[AppliedChange] = []
    for change in intent.changes:
        now = {path: await _read(workspace, path) for path in change.paths}
        outcome = _outcome(change, now)
        files[" → ".join(map(str, change.paths))] = outcome
        if outcome == "made":
            there = now[change.new_path]
            origin = there.origin if isinstance(there, FileSnapshot) else "disk"
            after = replace(change.after, origin=origin) if change.after else None
            made.append(replace(change, after=after, is_saved=origin == "disk"))
    is_certain = "unknown" not in files.values()
    store.in_flight.settle_intent(session_id, intent.id, intent.turn_id, made, is_certain=is_certain)
    return _Settled(intent.call_ids, files)


async def _read(workspace: Workspace, path: WorkspacePath) -> FileSnapshot | FluxError:
    try:
        return await workspace.read(path)
    except WorkspaceError as e:
        return e


def _outcome(change: AppliedChange, now: Mapping[WorkspacePath, FileSnapshot | FluxError]) -> Outcome:
    there = {path: isinstance(found, FileSnapshot) for path, found in now.items()}
    if any(isinstance(found, FluxError) and not isinstance(found, FileMissing) for found in now.values()):
        return "unknown"
    if change.before is None or change.after is None or len(change.paths) > 1:
        is_old = there[change.path] == (change.before is not None)
        is_new = there[change.new_path] == (change.after is not None)
        if len(change.paths) > 1:
            is_old, is_new = is_old and not there[change.new_path], is_new and not there[change.path]
        outcome: Outcome = "unknown" if is_old == is_new else "made" if is_new else "not made"
    else:
        found = now[change.path]
        outcome = _outcome_of_edit(change.before, change.after, found) if isinstance(found, FileSnapshot) else "unknown"
    if outcome == "not made" and _was_in_editor(change) and not _is_in_editor(now):
        return "unknown"  # the buffer in which it may stand cannot be seen from here
    return outcome


def _outcome_of_edit(before: FileSnapshot, after: FileSnapshot, now: FileSnapshot) -> Outcome:
    if now.text in {before.text, after.text}:
        return "made" if now.text == after.text else "not made"
    can_be_made, can_be_taken_back = _fits(before, after, now), _fits(after, before, now)
    if can_be_made == can_be_taken_back:
        return "unknown"
    return "made" if can_be_taken_back else "not made"


def _fits(old: FileSnapshot, new: FileSnapshot, now: FileSnapshot) -> bool:
    """Whether the change from `old` to `new`, in whole lines, finds its place in a text that was edited elsewhere."""
    try:
        rebase([_in_whole_lines(edit, old.text) for edit in text_edits_between(old.text, new.text)], old.text, now.text)
    except FluxError:
        return False
    return True


def _in_whole_lines(edit: TextEdit, text: str) -> TextEdit:
    """The edit with the rest of its lines: where `100` became of `1`, the `1` is still there."""
    start = text.rfind("\n", 0, edit.start) + 1
    end = text.find("\n", edit.end)
    end = len(text) if end < 0 else end
    return TextEdit(start, end, f"{text[start : edit.start]}{edit.new_text}{text[edit.end : end]}")


def _was_in_editor(change: AppliedChange) -> bool:
    return change.before is not None and change.before.origin == "buffer"


def _is_in_editor(now: Mapping[WorkspacePath, FileSnapshot | FluxError]) -> bool:
    return any(isinstance(found, FileSnapshot) and found.origin == "buffer" for found in now.values())


def _recover_results(store: SessionStore, session_id: str, settled: Sequence[_Settled]) -> bool:
    """Add the results that the last answer's calls still need."""
    messages = store.live_messages(session_id)
    calls = messages[-1].tool_calls() if messages else ()
    if not calls:
        return False
    known = store.in_flight.results(session_id)
    results = tuple(known.get(call.id) or _result_of(call, settled) for call in calls)
    stored = store.messages(session_id)
    store.add_message(session_id, stored[-1].turn_id if stored else "", Message("tool", results))
    return True


def _result_of(call: ToolCall, settled: Sequence[_Settled]) -> ToolResult:
    told = next((f"{ENDED} {one}" for one in settled if call.id in one.call_ids), "")
    tool = builtin_tools().get(call.name)
    if not told:
        told = ENDED if tool is not None and tool.is_read_only else UNKNOWN
    return ToolResult(call.id, call.name, told, is_error=True)
