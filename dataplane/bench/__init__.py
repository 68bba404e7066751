"""Benchmarks: ratios to a peer or a limit within one run, never absolute times that a machine made up."""
