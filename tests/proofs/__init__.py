"""Proofs of the money path with real processes, a real database and a real paper exchange.

`python3 run.py prove` runs them whole and writes a dated report; the tests beside them run a
sample of each. Nothing here is part of the product.
"""
