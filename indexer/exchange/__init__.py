"""Imports vectors from other programs and exports them."""
