"""Ways to move a state, one file each."""
