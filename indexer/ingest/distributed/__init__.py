"""Runs a large ingest on many machines."""
