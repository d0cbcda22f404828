"""The offline demonstration: its data set, its runs, its picture."""
