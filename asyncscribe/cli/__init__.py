"""The `asyncscribe` command. Needs the `cli` extra."""
