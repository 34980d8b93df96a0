"""From a table and settings to a checkpoint."""
