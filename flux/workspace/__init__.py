"""Files as the user sees them. Knows no model, prompt or editor protocol."""
