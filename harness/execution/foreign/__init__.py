"""Training code that is not the harness's own: where it lies, and runs of it that no grid asked for."""
