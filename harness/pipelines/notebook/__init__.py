"""What `import harness` offers: the bodies of the commands, with answers that a notebook shows as the commands do."""
