"""Queries. A repository holds a session it was given; it never begins or ends a transaction."""
