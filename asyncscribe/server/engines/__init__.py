"""Speech engines of the local server, behind the small protocol in `base`."""
