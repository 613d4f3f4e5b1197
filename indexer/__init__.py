"""Indexes images and searches them."""
