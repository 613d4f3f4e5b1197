"""Commits the outcomes of a run."""
