"""Implementations of the Jobs port: who executes refreshes, and how they are woken."""
