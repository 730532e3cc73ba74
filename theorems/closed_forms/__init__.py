"""Exact solutions, one file each."""
