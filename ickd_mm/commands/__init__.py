"""What the command-line tools do; the files in ``tools/`` parse and call."""
