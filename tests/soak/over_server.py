"""Turns under a typing user over a real server process, which streams, asks and edits in real time."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter
from pathlib import Path

from tests.soak.typist import Schedule, Typist, schedule
from tests.stories.world import World, edit, steps, world
from tests.support.fake_editors.rules import EDITORS, Eglot, Plain
from tests.support.lsp_client import Message

TURNS_OF_A_SERVER = 10
SERVERS = 20
"""Of more turns than these can take, each takes more."""
AT_ONCE = 4
"""Servers side by side: a turn is for the most part waiting, for an editor and for its user."""
MESSAGES_OF_A_TURN = 15


async def over_server(seed: str, runs: int) -> tuple[Counter[str], list[str]]:
    """So many turns over the editors, some for each server: how they ended, and what failed."""
    ends: Counter[str] = Counter()
    failures: list[str] = []
    places = asyncio.Semaphore(AT_ONCE)
    turns = max(TURNS_OF_A_SERVER, runs // SERVERS)

    async def on_one_server(number: int) -> None:
        rules, chance = EDITORS[number % len(EDITORS)], random.Random(f"{seed} server {number}")
        given = [schedule(chance, rules) for _ in range(min(turns, runs - number * turns))]
        encoding = given[0].encoding
        with tempfile.TemporaryDirectory() as folder:
            async with places, world(Path(folder), rules, {}, opened=(), encoding=encoding) as made:
                for one in given:
                    end, wrong = await outcome(made, one)
                    ends[f"server, {rules.name}: {end}"] += 1
                    if wrong:
                        failures.append(f"encoding {encoding}: {one}\n{wrong}")

    async with asyncio.TaskGroup() as group:
        for number in range(-(-runs // turns)):
            group.create_task(on_one_server(number))
    return ends, failures


async def outcome(made: World, given: Schedule) -> tuple[str, str]:
    """What became of one turn: `made`, `refused` or `told`; or `wrong`, and what is wrong."""
    typist = Typist(made.editor, made.uri, given)
    for name in given.names:
        (made.folder / name).write_bytes(given.text().encode())
        made.editor.open(made.uri(name), given.text())
    await made.client.request("flux/setSettings", {"approval": "review" if given.is_reviewed else "auto"})
    shown, seen = len(made.client.sent("window/showMessage")), -1

    def watch(_: Message) -> None:
        nonlocal seen
        seen += 1
        for typing in given.typings:
            if int(typing.moment * MESSAGES_OF_A_TURN) == seen:
                typist.do(typing)

    made.client.watchers.append(watch)
    try:
        turn = await made.run(*steps(*(edit(one.name, *one.texts()) for one in given.edits)), at=given.names[0])
    finally:
        made.client.watchers.remove(watch)
    done = [one for one, (is_error, _) in zip(given.edits, turn.results(), strict=True) if not is_error]
    if given.is_reviewed and done:
        waiting = (await made.client.command("flux.review.list"))["hunks"]
        came = await made.client.command("flux.review.accept", {"turn": waiting[0]["turn"]})
        if came["refused"]:
            done = []
            await made.client.command("flux.review.reject", {})
    made.editor.flush()
    told = [each["message"] for each in made.client.sent("window/showMessage")[shown:] if "told of" in each["message"]]
    wrong = typist.what_is_wrong(done)
    if told:
        more = [mark for name in given.names for mark in typist.lost(name)[1]]
        is_possible = isinstance(made.editor, Eglot | Plain)
        wrong = "" if is_possible and not more else f"told {told}, and {more} is there twice"
    for name in given.names:
        if (made.folder / name).read_bytes() != given.text().encode():
            wrong = f"{name} was saved"
        made.editor.close(made.uri(name))
    if wrong:
        return "wrong", f"{wrong}; {turn.results()}"
    return ("told" if told else "made" if len(done) == len(given.edits) else "refused"), ""
