"""HTTP routes beside the pages: thumbnails, images, exports, access control."""
