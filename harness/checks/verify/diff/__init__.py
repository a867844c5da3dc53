"""How two runs differ: compared layer by layer, then explained by what can touch training."""
