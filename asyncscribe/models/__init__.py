"""Pydantic models of what goes over the wire: requests strict, answers tolerant."""
