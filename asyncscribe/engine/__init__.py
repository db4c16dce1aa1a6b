"""Runs jobs, one or many, from source to transcript. Private to the library."""
