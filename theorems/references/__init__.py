"""Exact results of other papers: one file each, with formula, simulation, comparison and citation."""
