"""Watching a training run without disturbing it: what it did, how fast it was, how quiet the machine."""
