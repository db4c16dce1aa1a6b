"""How a running batch is shown."""
