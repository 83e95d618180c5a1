"""A running cloud through many releases, and back."""
