"""Remote unlock, from an accepted grant to a stored outcome, and the re-lock that it may owe."""
