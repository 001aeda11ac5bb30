"""A conversation in, a stream of deltas out. Knows no files, tools or editors."""
