"""Benchmarks: ``python -m benchmarks NAME``; both sides are measured in the same run."""
