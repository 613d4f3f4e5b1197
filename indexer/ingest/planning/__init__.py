"""Decides what a run has to do."""
