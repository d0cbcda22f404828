"""Take features out of a running model, and learn their shapes before training."""
