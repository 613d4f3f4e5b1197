"""The files of an approximate index: what they hold and whether they can be trusted."""
