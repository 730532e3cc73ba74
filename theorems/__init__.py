"""Exact solutions, comparison, and judgement."""
