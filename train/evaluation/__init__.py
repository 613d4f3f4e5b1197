"""Measures models: zero-shot classification, retrieval, linear probes."""
