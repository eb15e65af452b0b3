"""Where the car is: one case at a time, sealed, until its stop time."""
