"""Rows, vectors and locks on a disk or in an object store."""
