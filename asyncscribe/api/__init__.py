"""The HTTP API: its requests, how they are sent, what they answer. Private to the library."""
