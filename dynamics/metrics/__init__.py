"""Metrics of a state, written from its definition; `theorems` writes them a second time, from modes."""
