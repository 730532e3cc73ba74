"""The five cases of the paper, one file each."""
