"""`python -m tests.benchmarks`: every figure beside a floor or a peer measured in the same run, in turn.

No test is timed: what pytest runs of this only sees that it works.
"""
