"""Edits as models ask for them, each with the answer that is certain, made from the history of real packages.

`hunks` takes edits from consecutive releases, `mistakes` and `refusals` perturb them as models err, `scoring` asks an
engine and prints the table. Nothing here reads the network; `python -m tests.benchmarks.edits prepare` does.
"""
