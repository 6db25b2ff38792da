"""Isolated-margin loans. Python's default of 28 digits is too short for exact sums of amounts."""

import decimal

decimal.DefaultContext.prec = 60  # every thread started from now on
decimal.getcontext().prec = 60
