"""Builds, tunes and searches approximate nearest-neighbor indexes."""
