"""Answers queries: parsing, vectors, filters, ranking, relevance."""
