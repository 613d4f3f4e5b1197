"""Turns the images of sources into committed rows, none lost and none twice."""
