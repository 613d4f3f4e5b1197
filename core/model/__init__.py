"""The towers of CLIP and their configuration."""
