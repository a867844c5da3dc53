"""What a user means by a name on the command line: a grid, a part of one, results."""
