"""Pure: text in, text edits out. Knows no files, editors, models or tools."""
