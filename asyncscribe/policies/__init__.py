"""What decides: pure values and functions. Time, evidence and randomness come in as arguments."""
