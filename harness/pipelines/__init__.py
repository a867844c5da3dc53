"""Run, then judge: what more than one command, or one command in several steps, does."""
