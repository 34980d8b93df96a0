"""Networks, initial weights and checkpoints."""
