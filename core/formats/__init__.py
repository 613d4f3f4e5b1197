"""Reads and writes models: model directories, weights files, the hub, and formats of other projects."""
