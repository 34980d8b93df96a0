"""Scripts that make what the package ships: checkpoints, thresholds, tables and screenshots."""
