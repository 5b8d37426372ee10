"""Database access; so far the database's part in readiness."""
