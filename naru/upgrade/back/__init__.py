"""The way back: what it loses, and how the services of before harm nothing."""
