"""Which encoding a text is in: real texts in many, and real files that are no text."""

from __future__ import annotations

import gzip
import marshal
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.core.errors import NotText
from flux.workspace.encoding import DecodedText, decode, encode

# Article 1 of the Universal Declaration of Human Rights, and the first words of article 2.
TEXTS = {
    "french": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de "
    "conscience et doivent agir les uns envers les autres dans un esprit de fraternité.\n",
    "german": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen "
    "begabt und sollen einander im Geist der Brüderlichkeit begegnen.\n",
    "spanish": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y "
    "conciencia, deben comportarse fraternalmente los unos con los otros.\n",
    "swedish": "Alla människor är födda fria och lika i värde och rättigheter. De är utrustade med förnuft och samvete "
    "och bör handla gentemot varandra i en anda av broderskap.\n",
    "russian": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и "
    "совестью и должны поступать в отношении друг друга в духе братства.\n",
    "polish": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni "
    "rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa.\n",
    "greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι προικισμένοι "
    "με λογική και συνείδηση, και οφείλουν να συμπεριφέρονται μεταξύ τους με πνεύμα αδελφοσύνης.\n",
    "japanese": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、"
    "理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。\n",
    "korean": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 이성과 양심을 "
    "부여받았으며 서로 형제애의 정신으로 행동하여야 한다.\n",
    "chinese": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。\n人人有资格享有"
    "本宣言所载的一切权利和自由，不分种族、肤色、性别、语言、宗教、政治或其他见解。\n",
}
ENCODINGS = {
    "latin-1": ("french", "german", "spanish", "swedish"),
    "cp1252": ("french", "german", "spanish", "swedish"),
    "cp1251": ("russian",),
    "koi8-r": ("russian",),
    "cp1253": ("greek",),
    "shift_jis": ("japanese",),
    "euc-jp": ("japanese",),
    "euc-kr": ("korean",),
    "gb18030": ("chinese",),
    "utf-8-sig": tuple(TEXTS),
    "utf-16": tuple(TEXTS),
}
CASES = [(language, encoding) for encoding, languages in ENCODINGS.items() for language in languages]


def as_code(text: str) -> str:
    """The same words as comments of a program, which is how they mostly come."""
    pieces = text.replace("。", ". ").split(". ")
    return "".join(f"def f{i}(x):\r\n    # {piece.strip()}\r\n    return x\r\n" for i, piece in enumerate(pieces))


def check(data: bytes, text: str) -> None:
    """The bytes are read as the text, and the text becomes the same bytes again, with a change in it."""
    decoded = decode(data, "a.py")
    assert decoded.text == text
    changed = DecodedText(f"x = 1\n{text}", decoded.encoding, decoded.has_bom)
    mark = len(data) - len(encode(DecodedText(text, decoded.encoding), "a.py"))
    new = "x = 1\n".encode(decoded.encoding)
    assert encode(changed, "a.py") == data[:mark] + new + data[mark:]


@pytest.mark.parametrize(("language", "encoding"), CASES)
@pytest.mark.parametrize("form", [str, as_code], ids=["prose", "code"])
def test_a_text_is_read_as_it_was_written(language: str, encoding: str, form: type[str]) -> None:
    text = form(TEXTS[language])
    check(text.encode(encoding), text)


@pytest.mark.parametrize("encoding", ["cp1250", "iso8859-2", "mac-latin2", "cp852"])
def test_what_could_be_two_things_is_refused(encoding: str) -> None:
    """Western and Central European encodings differ in a few letters, which a wrong guess would show as others."""
    with pytest.raises(NotText, match=r"not certain which older encoding|binary"):
        decode(TEXTS["polish"].encode(encoding), "a.py")


@pytest.mark.parametrize(
    "text", ["# Bär\n", "x = 'à'  # 20 °C, 5 m²\n", "“Smart” – it’s…\n", "CAFÉ Öl créée\n", "© Ada\n"]
)
def test_a_little_western_text_is_enough(text: str) -> None:
    check(text.encode("cp1252"), text)


def binaries() -> Iterator[Path]:
    folders = [Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("stdlib"))]
    for suffix in (".so", ".pyc", ".png", ".gz", ".pyd", ".exe", ".ico", ".woff2", ".zip", ".whl"):
        found = (path for folder in folders for path in folder.rglob(f"*{suffix}"))
        yield from sorted(path for path in found if 0 < path.stat().st_size <= 1_000_000)[:40]


def test_installed_binaries_are_refused() -> None:
    taken: list[Path] = []
    refused = 0
    for path in binaries():
        data = path.read_bytes()
        for part in (data, data[len(data) // 2 :]):  # without the mark of its kind at the front
            try:
                decode(part, path.name)
                taken.append(path)
            except NotText:
                refused += 1
    assert refused > 50
    assert taken == []


@given(st.binary(min_size=30, max_size=300))
def test_bytes_that_are_taken_for_text_come_back_the_same(data: bytes) -> None:
    for given_bytes in (data, gzip.compress(data)[10:], marshal.dumps([data, 1.5]), data.replace(b"\0", b"")):
        try:
            decoded = decode(given_bytes, "a")
        except NotText:
            continue
        assert encode(decoded, "a") == given_bytes
