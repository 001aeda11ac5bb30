"""Whether Flux can work here, and what to do where it cannot: providers, folders, the machine. Knows no door."""
