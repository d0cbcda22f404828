"""Look at models before training: what can be tapped, what pairs match, what it costs."""
