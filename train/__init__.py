"""Trains CLIP models and evaluates them."""
