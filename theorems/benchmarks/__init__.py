"""The rows of `dynamics-sim bench`, one file each."""
