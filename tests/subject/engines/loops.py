"""The engines that are loops of our own."""

LOOPS = ("loop", "accelerate")
