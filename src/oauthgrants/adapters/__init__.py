"""Web stacks: translation between each and the server, and nothing else."""
