"""Finds near-duplicates: one definition for search, reports and the app."""
