"""Checks, repairs, compacts and describes collections."""
