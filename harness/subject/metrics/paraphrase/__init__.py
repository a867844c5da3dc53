"""Accuracy, F1 and confusion counts of a binary task; a module for `evaluate.load`."""
