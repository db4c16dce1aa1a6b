"""What a batch remembers."""
