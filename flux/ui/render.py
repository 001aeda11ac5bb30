"""Turn events as lines on a terminal. Plain text with a little colour; nothing moves but the seconds of a wait."""

from __future__ import annotations

from typing import TextIO, assert_never

from flux.agent.countdown import Countdown
from flux.agent.events import (
    ApprovalAsked,
    EditApplied,
    EditsProposed,
    MessageQueued,
    Noticed,
    ReasoningStreamed,
    Retrying,
    Summarized,
    TextStreamed,
    ToolAnswered,
    ToolCalled,
    TurnEnded,
    TurnEvent,
    TurnStarted,
    UsageReported,
)
from flux.llm.catalogue import Model

_COLOURS = {"dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1"}

_CONTROLS = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: "\u2421",
    **dict.fromkeys(range(0x80, 0xA0), "\ufffd"),
    # What turns the direction of text around could show another change than the one that is approved.
    **{code: f"<U+{code:04X}>" for code in (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))},
}

_FOLDED_LENGTH = 72


def painted(text: str, colour: str, stream: TextIO) -> str:
    """The text in a colour where the stream is a terminal."""
    text = visible(text, stream)
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if stream.isatty() else text


def visible(text: str, stream: TextIO) -> str:
    """The text with control characters made harmless where the stream is a terminal.

    What a model or a file says must not move the cursor, change the title or write the clipboard.
    """
    return text.translate(_CONTROLS) if stream.isatty() else text


def one_line(text: str) -> str:
    """The text on one line, harmless on a terminal: for what stands in the middle of a line of ours."""
    return " ".join(text.split()).translate(_CONTROLS)


class Renderer:
    """Shows the events of turns: the answer on `answer`, all else on `aside` (the same stream in a chat)."""

    def __init__(self, answer: TextIO, aside: TextIO) -> None:
        self._answer = answer
        self._aside = aside
        self._in_line = False
        self._shown_diff = ""
        self._thought: list[str] = []
        self._share = 0.0
        self._countdown: Countdown | None = None
        self.thoughts = ""
        """What the model thought in the last turn in which it did."""

    def show(self, event: TurnEvent) -> None:
        self.stop()
        if self._thought and not isinstance(event, ReasoningStreamed):
            self._fold_thought()
        match event:
            case TextStreamed(text):
                self._answer.write(visible(text, self._answer))
                self._answer.flush()
                self._in_line = not text.endswith("\n")
            case ToolCalled():
                self._say(f"· {one_line(event.title)}", "cyan")
            case ToolAnswered(is_error=True):
                self._say(f"  refused: {one_line(event.summary)}", "yellow")
            case ToolAnswered():
                self._say(f"  {one_line(event.summary)}", "dim")
            case EditApplied(diff=diff) if diff != self._shown_diff:
                self._show_diff(diff)
            case ApprovalAsked(decision=""):
                self._shown_diff = event.diff
                self._show_diff(event.diff)
            case EditsProposed(paths=paths, hunks=hunks):
                self._say(f"  {len(hunks)} changes of {', '.join(paths)} wait for your review", "yellow")
            case Noticed(text):
                self._say(f"! {text}", "yellow")
            case Summarized(text, words):
                self._say(text, "dim")
                self._say(f"! {words} · /compact undo takes it back", "yellow")
            case Retrying():
                self._wait(event)
            case MessageQueued():
                self._say(f"  {event.state}: {one_line(event.text)}", "dim")
            case TurnEnded():
                self._end(event)
            case ReasoningStreamed(text):
                self._thought.append(text)
            case TurnStarted():
                self.thoughts = ""
            case UsageReported():
                self._share = event.window_share
            case ApprovalAsked() | EditApplied():
                pass
            case _:
                assert_never(event)

    def stop(self) -> None:
        """Nothing moves any more until the next event."""
        if self._countdown is not None:
            self._countdown.stop()
            self._countdown = None
            self._aside.write("\n")

    def _wait(self, event: Retrying) -> None:
        if self._aside.isatty():
            self._say(f"! {event.reason}", "yellow")
            self._countdown = Countdown(event.wait_s, self._show_left)
        else:
            self._say(f"! {event.reason}; trying again in {event.wait_s:.0f} s", "yellow")

    def _show_left(self, left_s: int) -> None:
        words = f"trying again in {left_s} s" if left_s > 0 else "trying again"
        self._aside.write(f"\r\x1b[K{painted(f'  {words}', 'dim', self._aside)}")
        self._aside.flush()

    def _fold_thought(self) -> None:
        """One line stands for a thought; all of it can be asked for."""
        thought = "".join(self._thought).strip()
        self._thought.clear()
        self.thoughts = f"{self.thoughts}\n\n{thought}".strip()
        words = one_line(thought)
        shown = words if len(words) <= _FOLDED_LENGTH else f"{words[:_FOLDED_LENGTH]}… ({len(words.split()):,} words)"
        if words:
            self._say(f"· thought: {shown}", "dim")

    def _end(self, event: TurnEnded) -> None:
        if event.status == "failed":
            self._say(f"! {event.error}", "red")
        elif event.status == "cancelled":
            self._say("! cancelled", "yellow")
        if event.unsaved:
            self._say(f"  not saved yet: {', '.join(event.unsaved)}", "dim")
        if event.usage.total_tokens:
            usage = event.usage
            cached = f", {usage.cache_read_tokens:,} from the cache" if usage.cache_read_tokens else ""
            used = f", {self._share:.0%} of the window used" if self._share else ""
            words = f"  {usage.input_tokens:,} tokens in{cached}, {usage.output_tokens:,} out, {event.cost}{used}"
            self._say(words, "dim")
        self._new_line()

    def _show_diff(self, diff: str) -> None:
        self._new_line()
        self._aside.write(painted_diff(diff, self._aside))
        self._aside.flush()

    def _say(self, text: str, colour: str) -> None:
        self._new_line()
        self._aside.write(painted(text, colour, self._aside) + "\n")
        self._aside.flush()

    def _new_line(self) -> None:
        if self._in_line:
            self._answer.write("\n")
            self._answer.flush()
            self._in_line = False


def model_line(number: int, model: Model, current: str) -> str:
    """One line of the list of models: number, name, title, window, speed class, price for a million tokens, abilities.

    `current` is the present one as PROVIDER/NAME.
    """
    mark = "*" if f"{model.provider}/{model.name}" == current else " "
    can = [
        word
        for word, is_so in (
            ("images", model.takes_images),
            ("thinks", model.thinking),
            ("runs code", model.executes_code),
        )
        if is_so
    ]
    abilities = ", ".join([*(["no tools"] if model.takes_tools is False else []), *can])
    price = f"${model.price.input:g} in, ${model.price.output:g} out" if model.price else "price unknown"
    window = f"{model.input_tokens // 1000}k"
    line = f"{mark}{number:3}  {model.name:24} {model.display_name:24} {window:>6}  {model.speed:7} {price:24}"
    return f"{line} {model.provider:10} {abilities}".rstrip()


def painted_diff(diff: str, stream: TextIO) -> str:
    """A unified diff with its lines in the usual colours."""
    colours = {"+": "green", "-": "red", "@": "cyan"}
    lines: list[str] = []
    for line in diff.removesuffix("\n").split("\n"):
        colour = "bold" if line.startswith(("+++", "---")) else colours.get(line[:1])
        lines.append(painted(line, colour, stream) if colour else visible(line, stream))
    return "".join(f"{line}\n" for line in lines)
