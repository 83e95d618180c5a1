"""The cloud before and after: what the API says, what users are answered, whether guests are there."""
