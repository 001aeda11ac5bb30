"""One turn of work: prompt, model, tools, edits, events. Knows no door and no wire format."""
