"""Pictures of which channels agree, as PNG files and one HTML page."""
