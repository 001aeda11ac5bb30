"""What Flux offers in an editor: one module for each kind of entry."""
