"""Demo data: `demo` says who may log in, `story` makes it all up, `writing` stores it."""
