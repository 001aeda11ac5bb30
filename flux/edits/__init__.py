"""Pure: text in, text edits out. Knows no files, editors, models or tools."""

from flux.edits.match import edit_text, place_edit

__all__ = ["edit_text", "place_edit"]
