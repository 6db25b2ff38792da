"""Speaks BitMart: the one package that knows the exchange's words, addresses and quirks.

No Django in here, and nothing of ours but this package.
"""
