"""Turns labelled or captioned images into training batches."""
