"""Which recordings a batch has, and what is known of each."""
