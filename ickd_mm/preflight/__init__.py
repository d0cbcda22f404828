"""Read and check what a run was given before it starts."""
