"""Stores a collection and gives consistent snapshots of it."""
