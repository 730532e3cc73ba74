"""The catalogue: one file per result of the paper, what it prints and what is right side by side."""
