"""Decisions as pure values and functions. Time, evidence and randomness are arguments."""
