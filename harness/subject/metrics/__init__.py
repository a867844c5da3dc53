"""Metric modules in the form that `evaluate.load(folder)` takes."""
