"""A file becomes the square that the network sees, or a clear error."""
