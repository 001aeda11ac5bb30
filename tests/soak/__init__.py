"""Long measurements of what must never happen. Each module is one, at any size; tests run each with few runs."""
