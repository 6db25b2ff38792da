"""The paper exchange: a server that BitMart's own SDK cannot tell from the real one. No real money.

Start it with `manage.py paper_exchange`, with `python -m loans.paper`, or in a test with
`loans.paper.server.PaperExchange`. It keeps its own books in its own file, moves its own rates and
prices, and can be told to misbehave. It imports nothing of ours but `loans.bitmart`, and no Django.
"""
