"""Typing against turns, at random: whatever comes first, no keystroke is lost and no edit is in a wrong place.

The seed is printed. FLUX_RUNS sets how many turns each editor sees (10), FLUX_SEED another seed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

from tests.stories.test_stories import FILES, TEXT, change, changed, every_editor
from tests.stories.world import World, steps, world
from tests.support.fake_editors.rules import Editor, Eglot
from tests.support.lsp_client import Message

RUNS = int(os.environ.get("FLUX_RUNS", "10"))
SEED = os.environ.get("FLUX_SEED", "20261121")
WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")


def typist(made: World, chance: random.Random) -> Callable[[Message], None]:
    """A user who now and then types between lines, when something comes from the server."""

    # Emacs does not tell of typing under an edit before it is made: what that replaces can be but told (test_stories).
    is_sure = not isinstance(made.editor, Eglot)

    def watch(message: Message) -> None:
        if chance.random() < 0.3 and (is_sure or message.method != "workspace/applyEdit"):
            name = chance.choice(sorted(FILES))
            text = made.text(name)
            places = [0, *(at + 1 for at, character in enumerate(text) if character == "\n")]
            made.type_at(name, chance.choice(places[:-1]), "⟦{}⟧\n")
            if not is_sure:
                made.editor.flush()

    return watch


async def one_turn(made: World, chance: random.Random) -> None:
    names, words = sorted(FILES), chance.sample(WORDS, chance.randint(1, 3))
    wanted = [(chance.choice(names), word) for word in words]
    begun = await made.begin(*steps(*(change(word, name) for name, word in wanted)))
    watch = typist(made, chance)
    made.client.watchers.append(watch)
    turn = await made.finish(begun)
    made.client.watchers.remove(watch)
    texts = dict(FILES)
    for (is_refused, _), (name, word) in zip(turn.results(), wanted, strict=True):
        if not is_refused:
            texts[name] = changed(texts[name], word)
    made.check(texts)
    assert set(turn.unsaved) == {name for name in names if texts[name] != TEXT}
    for name in names:
        made.editor.close(made.uri(name))
        made.typed.clear()
    for name in names:
        made.editor.open(made.uri(name), TEXT)


@every_editor
async def test_typing_at_random_during_turns(tmp_path: Path, rules: type[Editor]) -> None:
    print(f"seed {SEED}, {RUNS} turns")
    async with world(tmp_path, rules, FILES, opened=sorted(FILES)) as made:
        for number in range(RUNS):
            print(f"turn {number}")
            await one_turn(made, random.Random(f"{SEED} {rules.__name__} {number}"))
