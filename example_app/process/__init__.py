"""`make run`: Redis, web server and worker as real processes under one supervisor. Standard library only."""
