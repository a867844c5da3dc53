"""A grid: what to run. The file, its axes, and the cells that come of them."""
