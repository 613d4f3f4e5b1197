"""Runs models: loading by name, precision, parallelism, and vectors that depend on none of them."""
