"""Benchmarks: against the named peers, each in one run, as ratios; and of what the documents promise."""
