"""What `make mutants` has to do, and what it showed that no test had noticed."""
