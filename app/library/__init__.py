"""The collections that a server has open."""
