"""Pure functions on numbers: numpy and scipy, no I/O."""
