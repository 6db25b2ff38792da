"""A simulation of the money path: the product's own code on a machine whose clock, randomness,
timers and network are drawn from one seed. The same seed gives the same history, step for step.

`python -m tests.simulation --seed N` plays one seed and prints every step.
"""
