"""Mistakes that somebody could make in the money path, each caught by a test that is named for it.

`python -m tests.mutants` tries them all on copies of the tree; the tests try a few, which
change from day to day.
"""
