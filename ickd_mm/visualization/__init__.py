"""Pictures of inter-channel correlation."""
