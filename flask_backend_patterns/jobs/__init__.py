"""Background jobs on RQ; so far the queue's part in readiness."""
