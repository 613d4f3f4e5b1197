"""Places the images of a collection in the plane."""
