"""What cells train on: tasks and checkpoints, found, loaded, hashed."""
