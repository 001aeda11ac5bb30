"""What the model is shown, built from the workspace. Knows token counts and limits, no model and no provider."""
