"""What lies on a board's disk keeps its form, or says that it has another one."""
