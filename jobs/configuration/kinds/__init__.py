"""What documents may hold: one module for each top key."""
