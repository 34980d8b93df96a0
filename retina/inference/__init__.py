"""A photograph becomes an assessment."""
