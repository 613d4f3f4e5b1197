"""Turns images and texts into comparable vectors."""
