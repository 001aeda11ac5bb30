"""The terminal, and the command that starts every door. The only package that prints."""
