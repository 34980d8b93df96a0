"""Data sets: from a folder to a table to a PyTorch data set."""
