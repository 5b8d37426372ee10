"""One shop written twice, with the kit and by hand, and measured side by side: the workload of our budgets."""
