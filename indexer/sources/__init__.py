"""Where can images come from?  One file per kind of source."""
