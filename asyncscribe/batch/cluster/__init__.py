"""More than one process at work on a batch."""
