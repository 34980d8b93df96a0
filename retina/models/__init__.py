"""The networks, where their weights come from, and the checkpoints they are kept in."""
