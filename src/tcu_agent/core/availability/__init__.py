"""How long a parked car can be reached, and when it sleeps."""
