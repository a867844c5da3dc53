"""Baselines: a grid's results as one reviewed file in the user's repository, to compare later results with."""
