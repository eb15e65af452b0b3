"""What a parked car notices of thieves: its alarm, and that it moves though it is locked."""
