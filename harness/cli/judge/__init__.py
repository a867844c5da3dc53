"""Commands that judge or compare what was measured."""
