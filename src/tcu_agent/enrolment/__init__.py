"""How a vehicle gets its certificate and its trust bundle, and new ones in time: keys are made here and never leave."""
