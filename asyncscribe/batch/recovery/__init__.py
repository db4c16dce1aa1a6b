"""A lost journal, made again from the output folder and the account's list."""
