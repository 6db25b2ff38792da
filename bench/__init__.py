"""Benchmarks: each prints ratios against a named floor and a named peer, measured in one run."""
