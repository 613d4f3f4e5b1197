"""Decodes, checks and prepares images, and reads what their files say about them."""
