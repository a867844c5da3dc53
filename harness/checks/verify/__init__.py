"""What a run did: fidelity, reproducibility and invariants, and how two runs differ."""
