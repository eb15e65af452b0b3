"""What survives a power cut, and what happens when it cannot be made to."""
