"""Decodes and embeds images within bounded memory."""
