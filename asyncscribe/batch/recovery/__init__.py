"""Rebuilds a lost journal from the output folder and the account's list."""
