"""The frozen teacher: its weights, how it runs, and what makes it cheaper."""
