"""What the model may do. A tool looks at the workspace and answers, or proposes changes; it never makes them."""
