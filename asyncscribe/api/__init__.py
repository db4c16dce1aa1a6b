"""The HTTP API: its requests, how they are sent, and how answers are read. Private to the library."""
