"""What is told of a grid before anything of it runs."""
