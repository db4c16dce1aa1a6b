"""Measurements. `python -m benchmarks` runs all of them; each is a ratio against a peer in the same run."""
