"""Any bytes to every decoder: they decode, or the documented error is raised."""
