"""Training code that is not the harness's own: where it lies, and what of it counts."""
