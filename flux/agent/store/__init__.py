"""What `flux.agent.session_store` is made of: the file and its faults, its tables, and values as rows."""
