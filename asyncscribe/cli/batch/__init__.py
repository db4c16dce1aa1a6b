"""`asyncscribe batch ...`: a module for each command."""
